#include "server/store/store.h"

#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

bool IsOutcomeUnknown(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnknown &&
         DetailsOf(status).reason == reason::kStoreOutcomeUnknown;
}

}  // namespace innkeeper
