// A context with a name, as this host remembers it.
#ifndef INNKEEPER_AGENT_CONTEXT_CONTEXT_RECORD_H_
#define INNKEEPER_AGENT_CONTEXT_CONTEXT_RECORD_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/context/context_spec.h"
#include "base/error.h"

namespace innkeeper {

// A value. Times have the resolution of a microsecond where it is stored.
struct ContextRecord {
  std::string id;  // "build"
  std::string description;
  // Who may launch in it besides administrators of the host: "user/alice",
  // "user/*", "service/ci". Sorted.
  std::vector<std::string> users;
  ContextSpec spec;
  std::string creator;  // "user/root"
  absl::Time create_time = absl::UnixEpoch();
  std::string etag;
};

bool operator==(const ContextRecord& a, const ContextRecord& b);

inline constexpr size_t kMaxContextDescription = 200;
inline constexpr size_t kMaxContextUsers = 64;

// Whether `id` is [a-z]([a-z0-9-]{0,61}[a-z0-9])?
bool IsContextId(absl::string_view id);
// "contexts/build" for "build".
std::string ToContextName(absl::string_view id);
// "build" for "contexts/build". INVALID_ARGUMENT, naming `field`, for anything
// else.
absl::StatusOr<std::string> ParseContextName(absl::string_view name,
                                             absl::string_view field);

// Whether `context` lists `principal` ("user/alice") or all of its kind. An
// empty one is never listed.
bool Admits(const ContextRecord& context, absl::string_view principal);

// Every fault of form of `context`, its id as "context_id", all else under
// "context".
std::vector<FieldViolation> FindRecordFaults(const ContextRecord& context);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_CONTEXT_CONTEXT_RECORD_H_
