// A small file that is read again when it changes.
#ifndef INNKEEPER_AUTH_WATCHED_FILE_H_
#define INNKEEPER_AUTH_WATCHED_FILE_H_

#include <sys/stat.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/file.h"

namespace innkeeper {

// Keeps `Value`, which `parse` makes of the content of `path`. Thread-safe.
// Nothing is read before the first Get.
template <typename Value>
class WatchedFile {
 public:
  using Parse = absl::StatusOr<Value> (*)(absl::string_view content);

  // Reads at most `limit` bytes.
  WatchedFile(std::string path, size_t limit, Parse parse)
      : path_(std::move(path)), limit_(limit), parse_(parse) {}

  const std::string& path() const { return path_; }

  // What the file holds now, or why that cannot be told: a failure is never
  // covered up by what was there before. Costs a stat(2) where nothing changed.
  absl::StatusOr<std::shared_ptr<const Value>> Get() const
      ABSL_LOCKS_EXCLUDED(mutex_) {
    struct stat now = {};
    if (stat(path_.c_str(), &now) == 0) {
      absl::MutexLock lock(&mutex_);
      if (value_ != nullptr && Same(now, read_at_)) return value_;
    }
    absl::StatusOr<std::string> content = ReadFile(path_, limit_);
    if (!content.ok()) return content.status();
    absl::StatusOr<Value> parsed = parse_(*content);
    if (!parsed.ok()) return parsed.status();
    auto value = std::make_shared<const Value>(*std::move(parsed));
    absl::MutexLock lock(&mutex_);
    value_ = value;
    // Of before the read: a change in between is then seen by the next Get.
    read_at_ = now;
    return value;
  }

  // What Get last answered, if it ever did.
  std::shared_ptr<const Value> Last() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return value_;
  }

 private:
  static bool Same(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
           a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
           a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
           a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
           a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
  }

  const std::string path_;
  const size_t limit_;
  const Parse parse_;
  // A leaf lock.
  mutable absl::Mutex mutex_;
  mutable std::shared_ptr<const Value> value_ ABSL_GUARDED_BY(mutex_);
  mutable struct stat read_at_ ABSL_GUARDED_BY(mutex_) = {};
};

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_WATCHED_FILE_H_
