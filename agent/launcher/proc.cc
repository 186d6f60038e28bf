#include "agent/launcher/proc.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxProcBytes = size_t{64} * 1024;

// The four numbers after "Uid:" or "Gid:".
absl::Status ReadIds(absl::string_view status, absl::string_view key,
                     std::array<uint32_t, 4>& ids) {
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (!absl::ConsumePrefix(&line, key)) continue;
    const std::vector<absl::string_view> numbers =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (numbers.size() < ids.size()) break;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (!absl::SimpleAtoi(numbers[i], &ids[i])) break;
      if (i + 1 == ids.size()) return absl::OkStatus();
    }
  }
  return ErrnoError(EBADMSG,
                    absl::StrCat("no ", key, " in a process's status"));
}

}  // namespace

absl::StatusOr<ProcStat> ParseProcStat(absl::string_view text) {
  // PID (NAME) STATE ...: the name may hold spaces and parentheses.
  const size_t name_end = text.rfind(')');
  if (name_end == absl::string_view::npos) {
    return ErrnoError(EBADMSG, "parse a process's stat");
  }
  const std::vector<absl::string_view> fields = absl::StrSplit(
      text.substr(name_end + 1), absl::ByAnyChar(" \n"), absl::SkipEmpty());
  // Fields 3 and 22 of proc(5).
  ProcStat stat;
  if (fields.size() < 20 || fields[0].size() != 1 ||
      !absl::SimpleAtoi(fields[19], &stat.start_time_ticks)) {
    return ErrnoError(EBADMSG, "parse a process's stat");
  }
  stat.state = fields[0][0];
  return stat;
}

absl::StatusOr<ProcStat> ReadProcStat(absl::string_view process) {
  ASSIGN_OR_RETURN(
      const std::string text,
      ReadFile(absl::StrCat("/proc/", process, "/stat"), kMaxProcBytes));
  return ParseProcStat(text);
}

bool IsRunning(int64_t pid, uint64_t start_time_ticks) {
  const absl::StatusOr<ProcStat> stat = ReadProcStat(absl::StrCat(pid));
  return stat.ok() && stat->start_time_ticks == start_time_ticks &&
         stat->state != 'Z' && stat->state != 'X';
}

absl::StatusOr<InspectReply> Inspect(int64_t pid) {
  const std::string directory = absl::StrCat("/proc/", pid);
  InspectReply reply;
  ASSIGN_OR_RETURN(const ProcStat before, ReadProcStat(absl::StrCat(pid)));
  reply.start_time_ticks = before.start_time_ticks;
  ASSIGN_OR_RETURN(const std::string status,
                   ReadFile(absl::StrCat(directory, "/status"), kMaxProcBytes));
  RETURN_IF_ERROR(ReadIds(status, "Uid:", reply.uids));
  RETURN_IF_ERROR(ReadIds(status, "Gid:", reply.gids));
  char exe[4096];
  const ssize_t length =
      readlink(absl::StrCat(directory, "/exe").c_str(), exe, sizeof(exe));
  // Kernel threads and zombies have none.
  if (length > 0) reply.exe.assign(exe, static_cast<size_t>(length));
  for (size_t i = 0; i < reply.namespaces.size(); ++i) {
    struct stat info;
    if (stat(absl::StrCat(directory, "/ns/", kNamespaceNames[i]).c_str(),
             &info) == 0) {
      reply.namespaces[i] = info.st_ino;
    }
  }
  // The number may have gone to another process meanwhile.
  ASSIGN_OR_RETURN(const ProcStat after, ReadProcStat(absl::StrCat(pid)));
  if (after.start_time_ticks != before.start_time_ticks) {
    return ErrnoError(ESRCH, absl::StrCat("inspect process ", pid));
  }
  return reply;
}

absl::StatusOr<std::string> BootId() {
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFile("/proc/sys/kernel/random/boot_id", kMaxProcBytes));
  return std::string(absl::StripAsciiWhitespace(text));
}

}  // namespace innkeeper
