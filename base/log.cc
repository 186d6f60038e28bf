#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <initializer_list>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace innkeeper {
namespace {

// A longer value is cut: a log line is for people, not for data.
constexpr size_t kMaxValueBytes = 2048;

std::atomic<LogLevel> minimum_level{LogLevel::kInfo};

absl::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "DEBUG";
    case LogLevel::kInfo:
      return "INFO";
    case LogLevel::kWarning:
      return "WARNING";
    case LogLevel::kError:
      return "ERROR";
  }
  return "ERROR";
}

bool IsPlain(absl::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (!absl::ascii_isalnum(c) &&
        absl::string_view("-_./:@+,").find(c) == absl::string_view::npos) {
      return false;
    }
  }
  return true;
}

void AppendValue(absl::string_view value, std::string* line) {
  value = value.substr(0, kMaxValueBytes);
  if (IsPlain(value)) {
    absl::StrAppend(line, value);
  } else {
    absl::StrAppend(line, "\"", absl::CHexEscape(value), "\"");
  }
}

}  // namespace

void SetLogLevel(LogLevel level) { minimum_level = level; }

std::string FormatLogLine(LogLevel level, absl::string_view event,
                          std::initializer_list<LogField> fields) {
  std::string line = absl::StrCat(NameOf(level), " ", event);
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.key, "=");
    AppendValue(field.value, &line);
  }
  return line;
}

void Log(LogLevel level, absl::string_view event,
         std::initializer_list<LogField> fields) {
  if (level < minimum_level.load(std::memory_order_relaxed)) return;
  const std::string line =
      absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ ", absl::Now(),
                                    absl::UTCTimeZone()),
                   FormatLogLine(level, event, fields), "\n");
  // Nothing can be done about a log that cannot be written.
  [[maybe_unused]] const ssize_t written =
      write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace innkeeper
