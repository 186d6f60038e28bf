// Positions as the opaque token that a watcher keeps.
#ifndef INNKEEPER_CATALOG_RESUME_TOKEN_H_
#define INNKEEPER_CATALOG_RESUME_TOKEN_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "catalog/position.h"

namespace innkeeper {

std::string EncodePositions(const Positions& positions);

// Input: untrusted. INVALID_ARGUMENT (INVALID_RESUME_TOKEN) for what
// EncodePositions did not make.
absl::StatusOr<Positions> DecodePositions(absl::string_view token);

}  // namespace innkeeper

#endif  // INNKEEPER_CATALOG_RESUME_TOKEN_H_
