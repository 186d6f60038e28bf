// Whole files: bounded reads and writes that replace in one step.
#ifndef INNKEEPER_BASE_FILE_H_
#define INNKEEPER_BASE_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// The content of `path`. NOT_FOUND if absent; RESOURCE_EXHAUSTED if it is
// longer than `limit` bytes.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit);

// The rest of `fd`, at most `limit` bytes; errors as ReadFile.
absl::StatusOr<std::string> ReadAll(int fd, size_t limit);

// All of `data` to `fd`.
absl::Status WriteAll(int fd, absl::string_view data);

// Makes `path` hold `data`, with `mode`, by a temporary file beside it,
// fsync(2) and rename(2): a reader sees the old or the new content, and after a
// crash one of the two is there.
absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view data, mode_t mode);

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_FILE_H_
