// What the launcher remembers of its guests when it is killed.
#ifndef INNKEEPER_AGENT_LAUNCHER_JOURNAL_H_
#define INNKEEPER_AGENT_LAUNCHER_JOURNAL_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/journal_entry.h"

namespace innkeeper {

// One file for each guest, named by its id. Not thread-safe.
class Journal {
 public:
  // `directory` exists and is root's alone.
  explicit Journal(std::string directory) : directory_(std::move(directory)) {}

  absl::Status Write(const JournalEntry& entry);
  // OK if there is no such entry.
  absl::Status Remove(absl::string_view guest);
  // Every entry by guest. One that cannot be read comes back with nothing but
  // its guest, as a launch that was only intended.
  absl::StatusOr<std::map<std::string, JournalEntry>> Load() const;

 private:
  std::string PathOf(absl::string_view guest) const;

  const std::string directory_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_JOURNAL_H_
