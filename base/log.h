// Structured log: one line per fact on standard error, as key=value pairs.
//
//   LogInfo("guest.started", {{"guest", id}, {"pid", pid}});
//   2026-01-02T03:04:05.678Z INFO guest.started guest=web pid=17
//
// Thread-safe; a line is one write(2). Values are quoted where they hold
// anything but plain characters, so that no value can forge a line or a key.
// Never give it a secret.
#ifndef INNKEEPER_BASE_LOG_H_
#define INNKEEPER_BASE_LOG_H_

#include <initializer_list>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogField {
  // `value`: whatever absl::StrCat takes.
  template <typename Value>
  LogField(absl::string_view key, const Value& value)
      : key(key), value(absl::StrCat(value)) {}

  absl::string_view key;
  std::string value;
};

// Lines below `level` are dropped. The default is kInfo.
void SetLogLevel(LogLevel level);

// `event` is a constant: "noun.verb".
void Log(LogLevel level, absl::string_view event,
         std::initializer_list<LogField> fields);

inline void LogDebug(absl::string_view event,
                     std::initializer_list<LogField> fields) {
  Log(LogLevel::kDebug, event, fields);
}
inline void LogInfo(absl::string_view event,
                    std::initializer_list<LogField> fields) {
  Log(LogLevel::kInfo, event, fields);
}
inline void LogWarning(absl::string_view event,
                       std::initializer_list<LogField> fields) {
  Log(LogLevel::kWarning, event, fields);
}
inline void LogError(absl::string_view event,
                     std::initializer_list<LogField> fields) {
  Log(LogLevel::kError, event, fields);
}

// The text of one line without time and newline; for tests.
std::string FormatLogLine(LogLevel level, absl::string_view event,
                          std::initializer_list<LogField> fields);

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_LOG_H_
