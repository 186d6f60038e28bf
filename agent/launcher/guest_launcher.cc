#include "agent/launcher/guest_launcher.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/guest_inspector.h"
#include "agent/launcher/host_offer.h"
#include "agent/launcher/launch_attempt.h"
#include "agent/launcher/named_network.h"
#include "agent/launcher/proc.h"
#include "agent/launcher/protocol.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "base/uuid.h"

namespace innkeeper {
namespace {

// How long SIGKILL may take; a process in an uninterruptible wait takes longer.
constexpr absl::Duration kKillPatience = absl::Seconds(5);
constexpr absl::Duration kLockPatience = absl::Seconds(5);
constexpr size_t kMaxMountInfoBytes = 4 << 20;

absl::Status MakeOwnedDirectory(const std::string& path, uid_t uid, gid_t gid,
                                mode_t mode) {
  // Like mkdir -p: an instance's directories are made at its first start.
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    mkdir(path.substr(0, slash).c_str(), 0755);
  }
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return ErrnoError(errno, absl::StrCat("mkdir ", path));
  }
  const UniqueFd fd(
      open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid() || fchown(fd.get(), uid, gid) != 0 ||
      fchmod(fd.get(), mode) != 0) {
    return ErrnoError(errno, absl::StrCat("own ", path));
  }
  return absl::OkStatus();
}

// A record lock, unlike flock(2), is not passed on to children, so that it ends
// with this process.
absl::StatusOr<UniqueFd> LockInstance(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const absl::Time deadline = absl::Now() + kLockPatience;
  while (fcntl(fd.get(), F_SETLK, &lock) != 0) {
    if (absl::Now() > deadline) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   reason::kConfigInvalid,
                   absl::StrCat("another launcher of this instance holds ",
                                path, "; stop it or use another --instance"));
    }
    absl::SleepFor(absl::Milliseconds(50));
  }
  return fd;
}

absl::Status NoSuchGuest(absl::string_view guest) {
  return Error(absl::StatusCode::kNotFound, reason::kGuestNotFound,
               absl::StrCat("guest '", guest, "' does not exist"))
      .With("guest", guest);
}

absl::StatusOr<CgroupLayout> FindCgroups() {
  ASSIGN_OR_RETURN(const std::string mounts,
                   ReadFile("/proc/self/mountinfo", kMaxMountInfoBytes));
  return ParseCgroupMounts(mounts);
}

}  // namespace

GuestLauncher::GuestLauncher(const LauncherConfig& config, ImagePools pools)
    : config_(config),
      pools_(std::move(pools)),
      cgroups_(FindCgroups().value_or(CgroupLayout()), config.cgroup_parent),
      taps_(config),
      uids_(config.uid_base, config.uid_count,
            absl::StrCat(config.state_dir, "/launcher/uid-turn")),
      journal_(absl::StrCat(config.state_dir, "/launcher/journal")),
      dirs_(absl::StrCat(config.run_dir, "/guests"),
            config.agent_credentials.gid),
      state_(absl::StrCat(config.state_dir, "/guests")) {}

absl::StatusOr<std::unique_ptr<GuestLauncher>> GuestLauncher::Create(
    const LauncherConfig& config) {
  const uid_t agent_uid = config.agent_credentials.uid;
  const gid_t agent_gid = config.agent_credentials.gid;
  const struct {
    std::string path;
    uid_t uid;
    gid_t gid;
    mode_t mode;
  } directories[] = {
      {config.run_dir, 0, 0, 0755},
      {absl::StrCat(config.run_dir, "/guests"), 0, agent_gid, 0750},
      {absl::StrCat(config.run_dir, "/jail"), 0, 0, 0700},
      {absl::StrCat(config.run_dir, "/agent"), agent_uid, agent_gid, 0755},
      {config.state_dir, 0, 0, 0755},
      {absl::StrCat(config.state_dir, "/launcher"), 0, 0, 0700},
      {absl::StrCat(config.state_dir, "/launcher/journal"), 0, 0, 0700},
      {absl::StrCat(config.state_dir, "/overlays"), 0, 0, 0700},
      {absl::StrCat(config.state_dir, "/guests"), 0, 0, 0700},
      {absl::StrCat(config.state_dir, "/agent"), agent_uid, agent_gid, 0700},
  };
  for (const auto& directory : directories) {
    RETURN_IF_ERROR(MakeOwnedDirectory(directory.path, directory.uid,
                                       directory.gid, directory.mode));
  }
  std::map<std::string, BlockPool> block_pools;
  for (const auto& [name, text] : config.block_pools) {
    ASSIGN_OR_RETURN(BlockSource source, ReadBlockSource(text));
    block_pools.emplace(name,
                        BlockPool(std::move(source), "/sys", config.dev_dir));
  }
  ASSIGN_OR_RETURN(ImagePools pools,
                   ImagePools::Open(config.pools, std::move(block_pools)));
  auto launcher = absl::WrapUnique(new GuestLauncher(config, std::move(pools)));
  ASSIGN_OR_RETURN(
      launcher->state_lock_,
      LockInstance(absl::StrCat(config.state_dir, "/launcher/lock")));
  ASSIGN_OR_RETURN(launcher->run_lock_,
                   LockInstance(absl::StrCat(config.run_dir, "/lock")));
  ASSIGN_OR_RETURN(launcher->boot_id_, BootId());
  RETURN_IF_ERROR(launcher->cgroups_.Prepare());
  launcher->offer_ =
      MakeHostOffer(config.context, launcher->cgroups_.CanLimitIo());
  RETURN_IF_ERROR(launcher->Recover());
  return launcher;
}

absl::Status GuestLauncher::Recover() {
  ASSIGN_OR_RETURN(guests_, journal_.Load());
  RETURN_IF_ERROR(CheckUidRange());
  std::set<std::string> doomed;
  for (const auto& [guest, entry] : guests_) {
    if (!entry.launched || entry.boot_id != boot_id_) doomed.insert(guest);
  }
  // Directories without an entry, which was lost with the host's power.
  for (const std::string& guest : dirs_.List()) {
    if (guests_.count(guest) != 0) continue;
    const absl::Status status = dirs_.Remove(guest);
    // What one guest left must not keep the launcher from all the others.
    if (!status.ok()) {
      LogError("guest_dir.not_removed",
               {{"guest", guest}, {"error", status.message()}});
    }
  }
  // Groups without an entry are not ours: what is in them is left alone.
  for (const std::string& guest : cgroups_.List()) {
    if (guests_.count(guest) != 0) continue;
    LogWarning("cgroup.foreign", {{"group", guest}});
  }
  for (const std::string& guest : doomed) {
    LogWarning("launch.undone", {{"guest", guest}});
    const absl::Status status = Discard(guest);
    // It stays in the list, so that a later Release can try again.
    if (!status.ok()) {
      LogError("launch.undo_failed",
               {{"guest", guest}, {"error", status.message()}});
    }
  }
  // Only now: until they are gone, what was undone had the old filter.
  taps_.Restore(LiveTaps());
  return absl::OkStatus();
}

// A range that leaves out a live guest's uids could be another instance's by
// now, and nobody would keep the two apart.
absl::Status GuestLauncher::CheckUidRange() const {
  std::vector<std::string> outside;
  for (const auto& [guest, entry] : guests_) {
    if (!entry.launched || entry.boot_id != boot_id_) continue;
    if (uids_.Contains(entry.unix_uid)) continue;
    outside.push_back(absl::StrCat("'", guest, "' (", entry.unix_uid, ")"));
  }
  if (outside.empty()) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
      absl::StrCat("guests of this instance have uids outside of "
                   "--uid-base=",
                   config_.uid_base, " --uid-count=", config_.uid_count, ": ",
                   absl::StrJoin(outside, ", "),
                   "; start the launcher with the range that they "
                   "were launched in, and move it once they are "
                   "deleted or stopped"));
}

std::string GuestLauncher::GroupOfGuest(absl::string_view guest) const {
  const JournalEntry& entry = guests_.at(std::string(guest));
  // An entry that could not be read does not say.
  if (entry.uid.empty()) return cgroups_.Find(guest);
  return GroupOf(entry.slice, guest);
}

absl::Status GuestLauncher::Discard(absl::string_view guest) {
  const std::string group = GroupOfGuest(guest);
  RETURN_IF_ERROR(cgroups_.Kill(group, kKillPatience));
  INNKEEPER_FAILPOINT("launcher.release.killed");
  const auto entry = guests_.find(std::string(guest));
  if (entry != guests_.end()) RETURN_IF_ERROR(taps_.Remove(entry->second.taps));
  INNKEEPER_FAILPOINT("launcher.release.taps_removed");
  RETURN_IF_ERROR(cgroups_.Remove(group, kKillPatience));
  INNKEEPER_FAILPOINT("launcher.release.cgroups_removed");
  RETURN_IF_ERROR(dirs_.Remove(guest));
  INNKEEPER_FAILPOINT("launcher.release.dir_removed");
  if (entry != guests_.end() && entry->second.made_state) {
    RETURN_IF_ERROR(state_.Remove(entry->second.uid));
  }
  // Last: while the entry is there, the rest is found again.
  RETURN_IF_ERROR(journal_.Remove(guest));
  INNKEEPER_FAILPOINT("launcher.release.entry_removed");
  guests_.erase(std::string(guest));
  return absl::OkStatus();
}

absl::StatusOr<Launched> GuestLauncher::Launch(const LaunchPlan& plan) {
  return LaunchAttempt(*this, plan).Run();
}

absl::StatusOr<UniqueFd> GuestLauncher::OpenImage(
    absl::string_view pool, absl::string_view name) const {
  return pools_.OpenImage(pool, name, ImageUse::kInspect);
}

absl::Status GuestLauncher::Kill(absl::string_view guest) {
  if (guests_.count(std::string(guest)) == 0) return NoSuchGuest(guest);
  INNKEEPER_FAILPOINT("launcher.kill.begun");
  RETURN_IF_ERROR(cgroups_.Kill(GroupOfGuest(guest), kKillPatience));
  INNKEEPER_FAILPOINT("launcher.kill.done");
  return absl::OkStatus();
}

absl::Status GuestLauncher::Release(absl::string_view guest) {
  if (!IsGuestId(guest)) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 "not a guest's id");
  }
  // What has no entry was not made here, whatever its name.
  if (guests_.count(std::string(guest)) == 0) return absl::OkStatus();
  INNKEEPER_FAILPOINT("launcher.release.begun");
  return Discard(guest);
}

absl::Status GuestLauncher::Forget(absl::string_view uid) {
  if (!IsUuid(uid)) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 "not a guest's uid");
  }
  for (const auto& [guest, entry] : guests_) {
    if (entry.uid != uid) continue;
    return Error(absl::StatusCode::kFailedPrecondition,
                 reason::kGuestNotStopped,
                 absl::StrCat("guest '", guest,
                              "' is not released; what it keeps is in use"))
        .With("guest", guest);
  }
  INNKEEPER_FAILPOINT("launcher.forget.begun");
  RETURN_IF_ERROR(state_.Remove(uid));
  INNKEEPER_FAILPOINT("launcher.forget.done");
  return absl::OkStatus();
}

std::vector<std::string> GuestLauncher::Features() const {
  std::vector<std::string> features;
  if (config_.uefi.installed()) features.push_back("uefi");
  if (config_.secure_boot.installed()) features.push_back("uefi-secure-boot");
  return features;
}

std::vector<KnownGuest> GuestLauncher::List(absl::string_view after) const {
  std::vector<KnownGuest> known;
  size_t bytes = 0;
  for (auto entry = guests_.upper_bound(std::string(after));
       entry != guests_.end() && bytes <= kMaxMessageBytes; ++entry) {
    KnownGuest guest;
    guest.guest = entry->second.guest;
    guest.uid = entry->second.uid;
    guest.manifest = dirs_.ReadManifest(guest.guest).value_or("");
    guest.running =
        IsRunning(entry->second.pid, entry->second.start_time_ticks);
    guest.pid = entry->second.pid;
    guest.keeper_pid = entry->second.keeper_pid;
    guest.unix_uid = entry->second.qemu_uid;
    guest.unix_gid = entry->second.qemu_gid;
    guest.start_time_ticks = entry->second.start_time_ticks;
    for (const JournalTap& tap : entry->second.taps) {
      guest.taps.push_back(tap.device);
    }
    bytes += guest.manifest.size();
    known.push_back(std::move(guest));
  }
  return known;
}

ContextOffer GuestLauncher::Offer() const {
  ContextOffer offer = offer_;
  offer.networks = ListNamedNetworks(kMaxOffered);
  // There may be more: only a launch tells then.
  if (offer.networks->size() == kMaxOffered) offer.networks.reset();
  return offer;
}

void GuestLauncher::Leave() {
  cgroups_.RemoveParents();
  if (guests_.empty()) taps_.RemoveFilters();
}

std::vector<KnownNetwork> GuestLauncher::Networks() const {
  std::vector<KnownNetwork> known;
  for (const auto& [name, network] : taps_.networks()) {
    known.push_back({name, network.isolated, network.declared});
  }
  return known;
}

std::vector<JournalTap> GuestLauncher::LiveTaps() const {
  std::vector<JournalTap> taps;
  for (const auto& [unused, entry] : guests_) {
    taps.insert(taps.end(), entry.taps.begin(), entry.taps.end());
  }
  return taps;
}

absl::StatusOr<GuestFacts> GuestLauncher::Inspect(
    absl::string_view guest) const {
  const auto entry = guests_.find(std::string(guest));
  if (entry == guests_.end()) return NoSuchGuest(guest);
  return InspectGuest(entry->second);
}

std::set<uid_t> GuestLauncher::LiveUids() const {
  std::set<uid_t> uids;
  for (const auto& [unused, entry] : guests_) {
    // 0 is an entry that could not be read: what its guest had is not known.
    if (entry.unix_uid != 0) uids.insert(entry.unix_uid);
  }
  return uids;
}

std::string GuestLauncher::JailMountPoint() const {
  return absl::StrCat(config_.run_dir, "/jail");
}

std::string GuestLauncher::OverlayDir() const {
  return absl::StrCat(config_.state_dir, "/overlays");
}

}  // namespace innkeeper
