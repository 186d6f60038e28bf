#include "agent/launcher/journal.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/small_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

namespace innkeeper {

std::string Journal::PathOf(absl::string_view guest) const {
  return absl::StrCat(directory_, "/", guest);
}

absl::Status Journal::Write(const JournalEntry& entry) {
  return ReplaceFile(PathOf(entry.guest), EncodeJournalEntry(entry), 0600);
}

absl::Status Journal::Remove(absl::string_view guest) {
  const std::string path = PathOf(guest);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, absl::StrCat("remove ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, JournalEntry>> Journal::Load() const {
  DIR* const directory = opendir(directory_.c_str());
  if (directory == nullptr) {
    return ErrnoError(errno, absl::StrCat("read ", directory_));
  }
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory)) {
    names.push_back(entry->d_name);
  }
  closedir(directory);
  std::map<std::string, JournalEntry> entries;
  for (const std::string& name : names) {
    if (absl::EndsWith(name, ".new")) unlink(PathOf(name).c_str());
    if (!IsGuestId(name)) continue;
    const absl::StatusOr<std::string> text =
        ReadFile(PathOf(name), kMaxJournalEntryBytes);
    absl::StatusOr<JournalEntry> entry =
        text.ok() ? DecodeJournalEntry(*text) : text.status();
    if (!entry.ok() || entry->guest != name) {
      LogWarning("journal.unreadable",
                 {{"guest", name}, {"error", entry.status().ToString()}});
      entry = JournalEntry();
      entry->guest = name;
    }
    entries[name] = *std::move(entry);
  }
  return entries;
}

}  // namespace innkeeper
