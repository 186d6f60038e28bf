// The file of the agent's store: made, checked, and moved aside if damaged.
#ifndef INNKEEPER_AGENT_STORE_STORE_FILE_H_
#define INNKEEPER_AGENT_STORE_STORE_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/sqlite.h"
#include "base/unique_fd.h"

namespace innkeeper {

// An open database with the store's tables.
struct StoreFile {
  std::unique_ptr<SqliteDatabase> database;
  // Held as long as the store is open, against a second process.
  UniqueFd lock;
  int64_t epoch = 0;
  // Whether the tables were made just now.
  bool fresh = false;
  // Where a damaged database was moved; empty if none was.
  std::string damaged_copy;
};

// Opens or makes the database `path` and checks it. One that cannot be read
// moves to "PATH.damaged" and an empty one takes its place. FAILED_PRECONDITION
// if another process has it open, a newer version of Innkeeper wrote it, or it
// is another program's; UNAVAILABLE if the disk fails.
absl::StatusOr<StoreFile> OpenStoreFile(const std::string& path,
                                        const Clock& clock);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_STORE_STORE_FILE_H_
