#include "agent/launcher/config.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/block_source.h"
#include "agent/launcher/context_config.h"
#include "agent/launcher/volume_list.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr int kMaxGroups = 64;
constexpr int kMaxLinks = 40;
// Uids below are those of people and services on Debian.
constexpr uint32_t kLowestPoolUid = 100000;
constexpr uint64_t kHighestPoolUid = 0xfffffff0;

absl::Status Invalid(absl::string_view message) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
               message);
}

// Collects every fault, so that one run of --check shows them all.
class Faults {
 public:
  void Add(absl::string_view flag, absl::string_view why) {
    faults_.emplace_back(flag, why);
  }
  void AddIf(bool fault, absl::string_view flag, absl::string_view why) {
    if (fault) Add(flag, why);
  }
  void AddPath(absl::string_view flag, const std::string& path) {
    const absl::Status status = CheckRootOwned(path);
    if (!status.ok()) Add(flag, status.message());
  }

  absl::Status Build() const {
    if (faults_.empty()) return absl::OkStatus();
    std::string message = "the launcher's flags are refused:";
    for (const auto& [flag, why] : faults_) {
      absl::StrAppend(&message, " ", flag, ": ", why, ";");
    }
    message.back() = '.';
    Error error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
                message);
    for (const auto& [flag, why] : faults_) error.Field(flag, why);
    return error;
  }

 private:
  std::vector<std::pair<std::string, std::string>> faults_;
};

bool IsExecutableFile(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         (info.st_mode & 0111) != 0;
}

bool IsDirectory(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// The longest part of `path` that exists.
std::string ExistingPart(std::string path) {
  while (path.size() > 1 && !IsDirectory(path)) {
    path.resize(path.find_last_of('/'));
    if (path.empty()) path = "/";
  }
  return path;
}

bool IsCgroupParent(absl::string_view name) {
  for (const absl::string_view element : absl::StrSplit(name, '/')) {
    // The grammar leaves out "", "." and "..".
    if (!IsPoolName(element)) return false;
  }
  return true;
}

// `path` without a final slash, absolute and without "..".
bool IsPlainPath(absl::string_view path) {
  return path.size() > 1 && path.front() == '/' && IsImageName(path.substr(1));
}

// Whether `path` is a link; an error if a user other than root can change it or
// what it stands for.
absl::StatusOr<bool> CheckElement(const std::string& path, bool last) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    return ErrnoError(errno, absl::StrCat("look at ", path));
  }
  if (info.st_uid != 0) {
    return Invalid(absl::StrCat(path, " belongs to uid ", info.st_uid,
                                ", who could replace it; it must belong to "
                                "root"));
  }
  // Nobody can write a link; its directory says who can replace it.
  if (S_ISLNK(info.st_mode)) return true;
  const bool sticky = !last && (info.st_mode & S_ISVTX) != 0;
  if ((info.st_mode & 022) != 0 && !sticky) {
    return Invalid(absl::StrCat(
        path, " may be written by others than root; chmod go-w it"));
  }
  return false;
}

void CheckBlockPool(const LauncherConfig& config, const std::string& name,
                    const std::string& text, Faults& faults) {
  constexpr char kFlag[] = "--block-pool";
  faults.AddIf(
      !IsPoolName(name), kFlag,
      absl::StrCat("name '", name, "' must match [a-z0-9][a-z0-9._-]{0,62}"));
  faults.AddIf(config.pools.count(name) != 0, kFlag,
               absl::StrCat("'", name, "' is given to --pool, too"));
  // What others could change is not read.
  if (IsPlainPath(text)) {
    const absl::Status owned = CheckRootOwned(text);
    if (!owned.ok()) return faults.Add(kFlag, owned.message());
  }
  const absl::StatusOr<BlockSource> source = ReadBlockSource(text);
  if (!source.ok()) {
    faults.Add(kFlag,
               absl::StrCat("'", name, "': ", source.status().message()));
  }
}

void CheckPaths(const LauncherConfig& config, Faults& faults) {
  const auto binary = [&](const char* flag, const std::string& path) {
    if (!IsPlainPath(path)) {
      faults.Add(flag, "must be an absolute path without '..'");
    } else if (!IsExecutableFile(path)) {
      faults.Add(flag, absl::StrCat(path, " is not an executable file"));
    } else {
      faults.AddPath(flag, path);
    }
  };
  binary("--agent", config.agent);
  binary("--keeper", config.keeper);
  // It runs as root, with rules that bind guests.
  if (!config.networks.empty()) binary("--nft", config.nft);
  for (const std::string& qemu : config.qemus) binary("--qemu", qemu);
  for (const FirmwareFiles* files : {&config.uefi, &config.secure_boot}) {
    const char* const flag =
        files == &config.uefi ? "--uefi-firmware" : "--secure-boot-firmware";
    if (!files->installed()) continue;
    faults.AddPath(flag, files->code);
    faults.AddPath(flag, files->variables);
  }
  for (const auto& [name, path] : config.pools) {
    faults.AddIf(
        !IsPoolName(name), "--pool",
        absl::StrCat("name '", name, "' must match [a-z0-9][a-z0-9._-]{0,62}"));
    if (!IsPlainPath(path)) {
      faults.Add("--pool", "must be an absolute path without '..'");
    } else if (!IsDirectory(path)) {
      faults.Add("--pool", absl::StrCat(path, " is not a directory"));
    } else {
      faults.AddPath("--pool", path);
    }
  }
  for (const auto& [name, text] : config.block_pools) {
    CheckBlockPool(config, name, text, faults);
  }
  faults.AddIf(config.pools.size() + config.block_pools.size() > kMaxPools,
               "--pool", absl::StrCat("pools are more than ", kMaxPools));
  if (!config.block_pools.empty()) {
    if (!IsPlainPath(config.dev_dir)) {
      faults.Add("--dev-dir", "must be an absolute path without '..'");
    } else {
      faults.AddPath("--dev-dir", config.dev_dir);
    }
  }
  for (const auto& [unused, path] : config.context.roots) {
    if (!IsPlainPath(path)) {
      faults.Add("--root", "must be an absolute path without '..'");
    } else if (!IsDirectory(path)) {
      faults.Add("--root", absl::StrCat(path, " is not a directory"));
    } else {
      faults.AddPath("--root", path);
    }
  }
  for (const auto& [flag, path] :
       {std::make_pair("--run-dir", &config.run_dir),
        std::make_pair("--state-dir", &config.state_dir)}) {
    if (!IsPlainPath(*path)) {
      faults.Add(flag, "must be an absolute path without '..'");
    } else {
      faults.AddPath(flag, ExistingPart(*path));
    }
  }
}

}  // namespace

absl::StatusOr<Credentials> ResolveUser(absl::string_view user) {
  Credentials credentials;
  const std::vector<absl::string_view> ids = absl::StrSplit(user, ':');
  if (ids.size() == 2) {
    if (!absl::SimpleAtoi(ids[0], &credentials.uid) ||
        !absl::SimpleAtoi(ids[1], &credentials.gid)) {
      return Invalid("--agent-user must be a name or UID:GID");
    }
  } else {
    errno = 0;
    const passwd* const entry = getpwnam(std::string(user).c_str());
    if (entry == nullptr) {
      return Invalid(absl::StrCat("--agent-user: there is no user '", user,
                                  "'; make one with adduser --system"));
    }
    credentials.uid = entry->pw_uid;
    credentials.gid = entry->pw_gid;
    int count = kMaxGroups;
    credentials.groups.resize(kMaxGroups);
    if (getgrouplist(entry->pw_name, entry->pw_gid, credentials.groups.data(),
                     &count) < 0) {
      return Invalid(absl::StrCat("--agent-user: '", user, "' is in more than ",
                                  kMaxGroups, " groups"));
    }
    credentials.groups.resize(static_cast<size_t>(count));
  }
  if (credentials.uid == 0 || credentials.gid == 0) {
    return Invalid(
        "--agent-user must not be root: the agent faces the network");
  }
  return credentials;
}

absl::StatusOr<FirmwareFiles> ParseFirmware(absl::string_view text) {
  if (text.empty()) return FirmwareFiles();
  const std::vector<std::string> paths = absl::StrSplit(text, ',');
  if (paths.size() != 2 || !IsPlainPath(paths[0]) || !IsPlainPath(paths[1])) {
    return Invalid(absl::StrCat("firmware '", text,
                                "' must be CODE,VARIABLES, two absolute paths "
                                "without '..'"));
  }
  struct stat info;
  for (const std::string& path : paths) {
    if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
      return FirmwareFiles();
    }
  }
  return FirmwareFiles{paths[0], paths[1]};
}

void SetDefaults(LauncherConfig& config) {
  const auto set = [](std::string& value, const std::string& standard) {
    if (value.empty()) value = standard;
  };
  set(config.run_dir, absl::StrCat("/run/innkeeper/", config.instance));
  set(config.state_dir, absl::StrCat("/var/lib/innkeeper/", config.instance));
  set(config.dev_dir, "/dev");
  set(config.cgroup_parent, absl::StrCat("innkeeper-", config.instance));
}

absl::Status CheckConfig(const LauncherConfig& config) {
  Faults faults;
  faults.AddIf(!IsPoolName(config.instance), "--instance",
               "must match [a-z0-9][a-z0-9._-]{0,62}");
  faults.AddIf(!IsCgroupParent(config.cgroup_parent), "--cgroup-parent",
               "must be a relative path of plain names");
  faults.AddIf(config.qemus.empty(), "--qemu", "must name a binary");
  faults.AddIf(config.max_guests < 1 || config.max_guests > 4096,
               "--max-guests", "must be from 1 to 4096");
  faults.AddIf(
      config.max_file_bytes < 1 || config.max_file_bytes > kMaxImageBytes,
      "--max-file-bytes", "must be from 1 byte to 64 TiB");
  faults.AddIf(config.networks.size() > kMaxNetworks, "--network",
               absl::StrCat("may be given at most ", kMaxNetworks, " times"));
  faults.AddIf(config.uid_base < kLowestPoolUid, "--uid-base",
               "must be at least 100000, above people's and services' uids");
  faults.AddIf(
      config.uid_count < 2 ||
          uint64_t{config.uid_base} + config.uid_count > kHighestPoolUid,
      "--uid-count", "must be at least 2 and end below 4294967280");
  const Credentials& agent = config.agent_credentials;
  faults.AddIf(agent.uid == 0, "--agent-user", "must be given and not be root");
  const auto is_guests = [&](uint32_t id) {
    return id >= config.uid_base && id - config.uid_base < config.uid_count;
  };
  // A guest's gid is the same number as its uid.
  faults.AddIf(is_guests(agent.uid) || is_guests(agent.gid), "--agent-user",
               "must have none of the guests' uids and gids");
  for (const gid_t group : agent.groups) {
    faults.AddIf(group == 0 || is_guests(group), "--agent-user",
                 absl::StrCat("must not be in group ", group,
                              ", which is root's or a guest's"));
  }
  for (const auto& [flag, why] : FindContextConfigFaults(
           config.context, {config.uid_base, config.uid_count, agent})) {
    faults.Add(flag, why);
  }
  CheckPaths(config, faults);
  return faults.Build();
}

absl::Status CheckRootOwned(const std::string& path) {
  // One element after the other, as the kernel goes: whoever could change a
  // link on the way could send it elsewhere.
  std::string at = "/";
  std::deque<std::string> rest = absl::StrSplit(path, '/', absl::SkipEmpty());
  RETURN_IF_ERROR(CheckElement(at, /*last=*/false).status());
  for (int links = 0; !rest.empty();) {
    const std::string name = rest.front();
    rest.pop_front();
    if (name == ".") continue;
    if (name == "..") {
      at.resize(std::max<size_t>(1, at.find_last_of('/')));
      continue;
    }
    const std::string next = absl::StrCat(at == "/" ? "" : at, "/", name);
    ASSIGN_OR_RETURN(const bool is_link, CheckElement(next, /*last=*/false));
    if (!is_link) {
      at = next;
      continue;
    }
    char target[PATH_MAX];
    const ssize_t size = readlink(next.c_str(), target, sizeof(target));
    if (size <= 0 || ++links > kMaxLinks) {
      return ErrnoError(size < 0 ? errno : ELOOP,
                        absl::StrCat("resolve ", path));
    }
    const absl::string_view text(target, static_cast<size_t>(size));
    if (text.front() == '/') at = "/";
    const std::vector<std::string> elements =
        absl::StrSplit(text, '/', absl::SkipEmpty());
    rest.insert(rest.begin(), elements.begin(), elements.end());
  }
  return CheckElement(at, /*last=*/true).status();
}

}  // namespace innkeeper
