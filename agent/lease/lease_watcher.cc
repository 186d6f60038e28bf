#include "agent/lease/lease_watcher.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

// A DHCP server writes a file line by line: one reading for all of them.
constexpr absl::Duration kSettle = absl::Milliseconds(20);
constexpr absl::Duration kRetry = absl::Seconds(10);
// The longest that a timer for a lease's end is set for.
constexpr absl::Duration kLongest = absl::Hours(1);
constexpr uint32_t kChanges = IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE |
                              IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                              IN_ONLYDIR;

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string NameOf(const std::string& path) {
  return path.substr(path.find_last_of('/') + 1);
}

struct Reading {
  LeasedAddresses addresses;
  absl::Time next_expiry = absl::InfiniteFuture();
};

// Adds the leases of `path` that have not run out at `now`.
void ReadLeases(const std::string& network, const std::string& path,
                absl::Time now, Reading* reading) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxLeaseFileBytes);
  if (!text.ok()) {
    if (!absl::IsNotFound(text.status())) {
      LogWarning("lease.not_read",
                 {{"file", path}, {"error", text.status().message()}});
    }
    return;
  }
  for (Lease& lease : ParseLeases(*text)) {
    if (lease.expiry <= now) continue;
    reading->next_expiry = std::min(reading->next_expiry, lease.expiry);
    std::vector<std::string>& addresses =
        reading->addresses[network][lease.mac];
    if (addresses.size() < kMaxLeasesOfMac) {
      addresses.push_back(std::move(lease.address));
    }
  }
}

}  // namespace

// On the loop, but for what the executor reads.
class LeaseWatcher::Watch : public std::enable_shared_from_this<Watch> {
 public:
  Watch(Parts parts, UniqueFd inotify)
      : parts_(std::move(parts)), inotify_(std::move(inotify)) {}

  EventLoop* loop() const { return parts_.loop; }

  void Start() {
    const std::weak_ptr<Watch> weak = weak_from_this();
    parts_.loop->Watch(inotify_.get(), EPOLLIN, [weak](uint32_t) {
      const std::shared_ptr<Watch> self = weak.lock();
      if (self != nullptr) self->HandleEvents();
    });
    WatchDirectories();
    Read();
  }

  void Stop() {
    stopped_ = true;
    parts_.loop->Unwatch(inotify_.get());
    for (const EventLoop::TimerId timer : {settle_, retry_, expiry_}) {
      parts_.loop->Cancel(timer);
    }
    inotify_.reset();
  }

 private:
  // Those that are not watched yet; again later if one is not there.
  void WatchDirectories() {
    retry_ = 0;
    bool missing = false;
    for (const auto& [unused, path] : parts_.files) {
      const std::string directory = DirectoryOf(path);
      if (IsWatched(directory)) continue;
      const int watch =
          inotify_add_watch(inotify_.get(), directory.c_str(), kChanges);
      if (watch >= 0) {
        directories_[watch] = directory;
        continue;
      }
      missing = true;
      if (!warned_.insert(directory).second) continue;
      LogWarning("lease.not_watched",
                 {{"directory", directory}, {"error", strerror(errno)}});
    }
    if (missing) After(kRetry, &Watch::RetryDirectories, &retry_);
  }

  void RetryDirectories() {
    const size_t before = directories_.size();
    WatchDirectories();
    if (directories_.size() != before) ReadSoon();
  }

  bool IsWatched(const std::string& directory) const {
    return std::any_of(
        directories_.begin(), directories_.end(),
        [&](const auto& watched) { return watched.second == directory; });
  }

  bool IsLeaseFile(const std::string& directory, const char* name) const {
    return std::any_of(parts_.files.begin(), parts_.files.end(),
                       [&](const auto& file) {
                         return DirectoryOf(file.second) == directory &&
                                NameOf(file.second) == name;
                       });
  }

  void HandleEvents() {
    alignas(inotify_event) char buffer[16 * 1024];
    const ssize_t got = read(inotify_.get(), buffer, sizeof(buffer));
    bool changed = false;
    for (ssize_t at = 0; at < got;) {
      const auto* const event =
          reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      changed = HandleEvent(*event) || changed;
    }
    if (changed) ReadSoon();
  }

  // Whether there may be other leases now.
  bool HandleEvent(const inotify_event& event) {
    // More happened than the kernel keeps.
    if ((event.mask & IN_Q_OVERFLOW) != 0) return true;
    const auto found = directories_.find(event.wd);
    if (found == directories_.end()) return false;
    if ((event.mask & IN_IGNORED) != 0) {
      directories_.erase(found);
      if (retry_ == 0) After(kRetry, &Watch::RetryDirectories, &retry_);
      return true;
    }
    return event.len != 0 && IsLeaseFile(found->second, event.name);
  }

  void ReadSoon() {
    if (settle_ == 0) After(kSettle, &Watch::Read, &settle_);
  }

  void Read() {
    settle_ = 0;
    // What changes from now on is read once more.
    const std::shared_ptr<Watch> self = shared_from_this();
    const absl::Status submitted = parts_.executor->Submit([self] {
      Reading reading;
      const absl::Time now = self->parts_.clock->Now();
      for (const auto& [network, path] : self->parts_.files) {
        ReadLeases(network, path, now, &reading);
      }
      self->parts_.loop->Post([self, reading = std::move(reading)] {
        if (!self->stopped_) self->Take(reading);
      });
    });
    if (submitted.ok()) return;
    LogWarning("lease.not_read", {{"error", submitted.message()}});
    After(kRetry, &Watch::Read, &settle_);
  }

  void Take(const Reading& reading) {
    parts_.loop->Cancel(expiry_);
    expiry_ = 0;
    if (reading.next_expiry != absl::InfiniteFuture()) {
      const absl::Duration left = reading.next_expiry - parts_.clock->Now();
      After(std::clamp(left, kSettle, kLongest), &Watch::ReadExpired, &expiry_);
    }
    if (last_ == reading.addresses) return;
    last_ = reading.addresses;
    parts_.changed(*last_);
  }

  void ReadExpired() {
    expiry_ = 0;
    ReadSoon();
  }

  void After(absl::Duration delay, void (Watch::*run)(),
             EventLoop::TimerId* timer) {
    const std::weak_ptr<Watch> weak = weak_from_this();
    *timer = parts_.loop->After(delay, [weak, run] {
      const std::shared_ptr<Watch> self = weak.lock();
      if (self != nullptr && !self->stopped_) (self.get()->*run)();
    });
  }

  const Parts parts_;
  UniqueFd inotify_;
  bool stopped_ = false;
  std::map<int, std::string> directories_;  // By inotify's number.
  std::set<std::string> warned_;
  EventLoop::TimerId settle_ = 0;
  EventLoop::TimerId retry_ = 0;
  EventLoop::TimerId expiry_ = 0;
  std::optional<LeasedAddresses> last_;
};

LeaseWatcher::LeaseWatcher(std::shared_ptr<Watch> watch)
    : watch_(std::move(watch)) {}

absl::StatusOr<std::unique_ptr<LeaseWatcher>> LeaseWatcher::Start(Parts parts) {
  UniqueFd inotify(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify.valid()) return ErrnoError(errno, "inotify_init1");
  EventLoop* const loop = parts.loop;
  auto watch = std::make_shared<Watch>(std::move(parts), std::move(inotify));
  loop->Post([watch] { watch->Start(); });
  return absl::WrapUnique(new LeaseWatcher(std::move(watch)));
}

LeaseWatcher::~LeaseWatcher() {
  watch_->loop()->PostAndWait([watch = watch_] { watch->Stop(); });
}

}  // namespace innkeeper
