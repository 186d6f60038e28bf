// An append-only record of decisions, in which a change shows.
//
// Each line is a JSON object. Its last member "hash" is SHA-256, in hex, over
// the hash of the line before and the line itself without that member; its
// member "sequence" counts from 1. Edits, removals and swaps in the middle are
// found by VerifyAuditLog. A tail that was cut off is not: keep the head, which
// head() gives, somewhere else and compare.
#ifndef INNKEEPER_AUTH_AUDIT_LOG_H_
#define INNKEEPER_AUTH_AUDIT_LOG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace innkeeper {

// One decision. Text is cut at 1 KiB and written as JSON, so that no value can
// forge a line. Never put a secret here.
struct AuditRecord {
  std::string caller;      // "user/alice".
  std::string delegate;    // "server/s1"; empty: nobody forwarded.
  std::string address;     // Where the call came from.
  std::string method;      // "/innkeeper.v1.Guests/StartGuest".
  std::string permission;  // "guests.start".
  std::string resource;    // "guests/web".
  bool allowed = false;    // Whether the caller was let in.
  std::string code;        // How the call ended: "OK", "NOT_FOUND" ...
  std::string reason;      // Of the error; empty for OK.
  std::string request_id;
  absl::Duration duration;
};

// The end of a chain: what to keep elsewhere.
struct AuditHead {
  int64_t sequence = 0;
  std::string hash;  // Empty before the first record.
};

struct AuditLogOptions {
  std::string path;
  // PATH is renamed to PATH.1, and that to PATH.2 ..., before it would grow
  // beyond this. The chain goes on over files.
  int64_t max_bytes = int64_t{64} << 20;
  int max_files = 10;                  // Beside PATH; the oldest is deleted.
  const Clock* clock = Clock::Real();  // Not owned.
};

// Thread-safe. One process at a time per path (the file is locked).
class AuditLog {
 public:
  // Continues the chain in PATH, or begins one. A last line that a crash left
  // unfinished is removed, as its call was never answered. FAILED_PRECONDITION
  // if another process has the file; DATA_LOSS if its last line is no record.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(
      AuditLogOptions options);

  // Appends `record`. The line is with the kernel when this returns, so it
  // survives this process; call Sync where it must survive the machine.
  // An error means that it may not be there: refuse the call.
  absl::Status Append(const AuditRecord& record) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until everything appended is on the disk. For mutations and
  // refusals; reads can do with the next Sync.
  absl::Status Sync() ABSL_LOCKS_EXCLUDED(mutex_);

  AuditHead head() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  AuditLog(AuditLogOptions options, UniqueFd fd, int64_t size, AuditHead head)
      : options_(std::move(options)),
        fd_(std::make_shared<UniqueFd>(std::move(fd))),
        size_(size),
        head_(std::move(head)) {}

  absl::Status Rotate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const AuditLogOptions options_;
  // Held across write(2), which here only copies to the kernel: the order of
  // the lines is the order of the chain. Held across fsync(2) only where a file
  // is full and the next one begins.
  mutable absl::Mutex mutex_;
  // Shared with a Sync that runs while the file is rotated.
  std::shared_ptr<UniqueFd> fd_ ABSL_GUARDED_BY(mutex_);
  int64_t size_ ABSL_GUARDED_BY(mutex_);
  AuditHead head_ ABSL_GUARDED_BY(mutex_);
};

// Checks the chain over PATH.N ... PATH.1 and PATH, oldest first. What was
// before the oldest is taken on trust. DATA_LOSS names the file and line where
// it breaks; NOT_FOUND if there is no PATH. The head, for comparison.
absl::StatusOr<AuditHead> VerifyAuditLog(const std::string& path);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_AUDIT_LOG_H_
