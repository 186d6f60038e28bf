#include "agent/security/fact_reader.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

std::vector<absl::string_view> Words(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
}

absl::Status Unreadable(absl::string_view fact, absl::string_view what) {
  return absl::NotFoundError(absl::StrCat("no ", what, " in ", fact));
}

}  // namespace

bool MountFact::Has(absl::string_view option) const {
  return std::find(options.begin(), options.end(), option) != options.end();
}

absl::StatusOr<std::string> FactReader::Text(absl::string_view fact) const {
  for (const GuestFact& candidate : facts_.facts) {
    if (candidate.name != fact) continue;
    if (candidate.error == 0) return candidate.text;
    return absl::NotFoundError(
        absl::StrCat("cannot be read: ", strerror(candidate.error)));
  }
  return absl::NotFoundError("this host does not have it");
}

absl::StatusOr<std::string> FactReader::Line(absl::string_view fact) const {
  ASSIGN_OR_RETURN(std::string text, Text(fact));
  // What a label of AppArmor ends with is not blank.
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return std::string(absl::StripAsciiWhitespace(text));
}

absl::StatusOr<int64_t> FactReader::Number(absl::string_view fact) const {
  ASSIGN_OR_RETURN(const std::string line, Line(fact));
  int64_t number;
  if (absl::SimpleAtoi(line, &number)) return number;
  return Unreadable(fact, "number");
}

absl::StatusOr<std::string> FactReader::Field(absl::string_view fact,
                                              absl::string_view name) const {
  ASSIGN_OR_RETURN(const std::string text, Text(fact));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, name) || !absl::ConsumePrefix(&line, ":")) {
      continue;
    }
    return absl::StrJoin(Words(line), " ");
  }
  return Unreadable(fact, name);
}

absl::StatusOr<int64_t> FactReader::StatField(int number) const {
  ASSIGN_OR_RETURN(const std::string text, Text("stat"));
  // The name, field 2, may hold blanks and parentheses.
  const size_t name_end = text.rfind(')');
  if (name_end != std::string::npos) {
    const std::vector<absl::string_view> fields =
        Words(absl::string_view(text).substr(name_end + 1));
    const size_t index = static_cast<size_t>(number) - 3;
    int64_t value;
    if (index < fields.size() && absl::SimpleAtoi(fields[index], &value)) {
      return value;
    }
  }
  return Unreadable("stat", absl::StrCat("field ", number));
}

absl::StatusOr<std::pair<std::string, std::string>> FactReader::Limit(
    absl::string_view name) const {
  ASSIGN_OR_RETURN(const std::string text, Text("limits"));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, name)) continue;
    const std::vector<absl::string_view> words = Words(line);
    if (words.size() < 2) break;
    return std::make_pair(std::string(words[0]), std::string(words[1]));
  }
  return Unreadable("limits", name);
}

absl::StatusOr<std::vector<MountFact>> FactReader::Mounts() const {
  ASSIGN_OR_RETURN(const std::string text, Text("mountinfo"));
  std::vector<MountFact> mounts;
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = Words(line);
    if (fields.size() < 6) return Unreadable("mountinfo", "whole line");
    mounts.push_back({std::string(fields[4]), absl::StrSplit(fields[5], ',')});
  }
  // A last line that was cut off is one that nobody has looked at.
  if (!text.empty() && text.back() != '\n') {
    return Unreadable("mountinfo", "end");
  }
  return mounts;
}

absl::StatusOr<std::map<std::string, FdKindFact>> FactReader::Fds() const {
  ASSIGN_OR_RETURN(const std::string text, Text("fds"));
  std::map<std::string, FdKindFact> kinds;
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = Words(line);
    FdKindFact kind;
    if (fields.size() != 3 || !absl::SimpleAtoi(fields[1], &kind.count) ||
        !absl::SimpleAtoi(fields[2], &kind.distinct)) {
      return Unreadable("fds", "whole line");
    }
    kinds[std::string(fields[0])] = kind;
  }
  return kinds;
}

absl::StatusOr<std::string> FactReader::Entry(absl::string_view fact,
                                              absl::string_view key) const {
  ASSIGN_OR_RETURN(const std::string text, Text(fact));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, key) || line.empty()) continue;
    if (line[0] != ':' && line[0] != ' ') continue;
    return std::string(line.substr(1));
  }
  return Unreadable(fact, key);
}

}  // namespace innkeeper
