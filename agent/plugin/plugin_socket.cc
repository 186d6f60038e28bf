#include "agent/plugin/plugin_socket.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/config/plugin_config.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

// What a user's directory may hold beside sockets before nobody reads on.
constexpr int kMaxEntries = 64;

absl::Status NotThere(absl::string_view what, absl::string_view why) {
  return absl::UnavailableError(absl::StrCat(what, " ", why));
}

// Everything before the last '/', which an absolute path has.
std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string NameOf(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

bool WritableByOthers(const struct stat& info) {
  return (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

// `name` in `directory`, with nothing between that its user could have put
// there: no link, and no mount, whose file system might never answer.
UniqueFd OpenOwned(int directory, const std::string& name, uint64_t flags) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC | O_NOFOLLOW;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  return UniqueFd(static_cast<int>(
      syscall(SYS_openat2, directory, name.c_str(), &how, sizeof(how))));
}

UniqueFd OpenParent(const PluginConfig& config) {
  const std::string parent = ParentOf(config.socket);
  const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  if (config.owner.empty()) return UniqueFd(open(parent.c_str(), flags));
  const UniqueFd base(open(ParentOf(parent).c_str(), flags));
  if (!base.valid()) return UniqueFd();
  return OpenOwned(base.get(), NameOf(parent), O_PATH | O_DIRECTORY);
}

absl::StatusOr<UniqueFd> OpenSocket(const PluginConfig& config) {
  const UniqueFd parent = OpenParent(config);
  struct stat info;
  if (!parent.valid() || fstat(parent.get(), &info) != 0) {
    return NotThere(ParentOf(config.socket),
                    absl::StrCat("cannot be opened: ", strerror(errno)));
  }
  const bool trusted =
      info.st_uid == 0 || info.st_uid == geteuid() || info.st_uid == config.uid;
  if (!trusted || WritableByOthers(info)) {
    return NotThere(ParentOf(config.socket),
                    absl::StrCat("can be written to by others than root and "
                                 "uid ",
                                 config.uid,
                                 "; make it that user's, mode "
                                 "0755"));
  }
  UniqueFd socket = OpenOwned(parent.get(), NameOf(config.socket), O_PATH);
  if (!socket.valid() || fstat(socket.get(), &info) != 0) {
    return NotThere(config.socket,
                    absl::StrCat("cannot be opened: ", strerror(errno)));
  }
  if (!S_ISSOCK(info.st_mode)) return NotThere(config.socket, "is no socket");
  if (info.st_uid != config.uid) {
    return NotThere(config.socket, absl::StrCat("belongs to uid ", info.st_uid,
                                                ", not ", config.uid));
  }
  return socket;
}

absl::Status CheckOwnerDirectory(const std::string& path, int directory,
                                 uint32_t uid) {
  struct stat info;
  std::string fault;
  if (fstat(directory, &info) != 0) {
    fault = strerror(errno);
  } else if (info.st_uid != uid) {
    fault = absl::StrCat("it belongs to uid ", info.st_uid);
  } else if (WritableByOthers(info)) {
    fault = "others can write to it";
  }
  if (fault.empty()) return absl::OkStatus();
  return Error(
             absl::StatusCode::kFailedPrecondition, reason::kPluginFailed,
             absl::StrCat("the plugins in ", path, " cannot be asked: ", fault,
                          "; it must be that user's, mode 0755, or "
                          "be removed"))
      .With("directory", path);
}

absl::Status BadEntry(const std::string& path, absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition, reason::kPluginFailed,
               absl::StrCat("the plugins in ", path, " cannot be asked: ", why))
      .With("directory", path);
}

struct CloseDir {
  void operator()(DIR* directory) const { closedir(directory); }
};

PluginConfig MakeOwnerPlugin(const std::string& path, absl::string_view name,
                             bool optional, uint32_t uid,
                             const std::string& owner) {
  PluginConfig config;
  config.name = absl::StrCat(owner, "/", name);
  config.socket =
      absl::StrCat(path, "/", name, optional ? ".optional.sock" : ".sock");
  config.stages = {PluginStage::kAdmit, PluginStage::kPrepare,
                   PluginStage::kArgv, PluginStage::kStarted,
                   PluginStage::kStopped};
  config.fail_open = optional;
  config.uid = uid;
  config.owner = owner;
  return config;
}

}  // namespace

absl::StatusOr<UniqueFd> ConnectPlugin(const PluginConfig& config) {
  ASSIGN_OR_RETURN(const UniqueFd target, OpenSocket(config));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return NotThere(config.socket, strerror(errno));
  // By the descriptor: it is the socket that was looked at, whatever has its
  // name now.
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = absl::StrCat("/proc/self/fd/", target.get());
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0) {
    return NotThere(
        config.socket,
        errno == EAGAIN
            ? "has more connections than the plugin takes"
            : absl::StrCat("has nobody who listens: ", strerror(errno)));
  }
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      peer.uid != config.uid) {
    return NotThere(config.socket, absl::StrCat("is served by uid ", peer.uid,
                                                ", not ", config.uid));
  }
  return fd;
}

absl::StatusOr<std::vector<PluginConfig>> FindOwnerPlugins(
    const std::string& directory, uint32_t uid, const std::string& owner) {
  const std::string path = absl::StrCat(directory, "/", uid);
  const UniqueFd base(
      open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  UniqueFd own =
      OpenOwned(base.get(), absl::StrCat(uid), O_RDONLY | O_DIRECTORY);
  if (!own.valid()) {
    if (errno == ENOENT) return std::vector<PluginConfig>();
    return BadEntry(path, strerror(errno));
  }
  RETURN_IF_ERROR(CheckOwnerDirectory(path, own.get(), uid));
  const std::unique_ptr<DIR, CloseDir> entries(fdopendir(own.get()));
  if (entries == nullptr) return BadEntry(path, strerror(errno));
  (void)own.release();
  std::map<std::string, PluginConfig> found;
  int seen = 0;
  for (const dirent* entry = readdir(entries.get()); entry != nullptr;
       entry = readdir(entries.get())) {
    if (++seen > kMaxEntries) return BadEntry(path, "it holds too many files");
    absl::string_view name = entry->d_name;
    if (!absl::ConsumeSuffix(&name, ".sock")) continue;
    const bool optional = absl::ConsumeSuffix(&name, ".optional");
    if (!IsPluginName(name)) {
      return BadEntry(path,
                      "a socket's name must match "
                      "[a-z0-9][a-z0-9-]{0,31}, with .sock or "
                      ".optional.sock");
    }
    if (!found
             .emplace(std::string(name),
                      MakeOwnerPlugin(path, name, optional, uid, owner))
             .second) {
      return BadEntry(path, absl::StrCat("'", name, "' is there twice"));
    }
  }
  if (found.size() > kMaxOwnerPlugins) {
    return BadEntry(path, absl::StrCat("there are more than ", kMaxOwnerPlugins,
                                       " sockets"));
  }
  std::vector<PluginConfig> plugins;
  for (auto& [unused, config] : found) plugins.push_back(std::move(config));
  return plugins;
}

}  // namespace innkeeper
