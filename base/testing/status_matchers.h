// GoogleTest matchers for absl::Status and absl::StatusOr: IsOk(),
// StatusIs(code[, message[, reason]]) and IsOkAndHolds(matcher).
#ifndef INNKEEPER_BASE_TESTING_STATUS_MATCHERS_H_
#define INNKEEPER_BASE_TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"
#include "gmock/gmock.h"

namespace innkeeper {
namespace testing_internal {

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& statusor) {
  return statusor.status();
}

}  // namespace testing_internal

MATCHER(IsOk, negation ? "isn't OK" : "is OK") {
  const absl::Status& status = testing_internal::StatusOf(arg);
  *result_listener << "whose status is " << status.ToString();
  return status.ok();
}

MATCHER_P(HasStatus, code, "") {
  const absl::Status& status = testing_internal::StatusOf(arg);
  *result_listener << "whose status is " << status.ToString();
  return status.code() == code;
}

MATCHER_P2(HasStatusAndMessage, code, message, "") {
  const absl::Status& status = testing_internal::StatusOf(arg);
  *result_listener << "whose status is " << status.ToString();
  return status.code() == code &&
         testing::ExplainMatchResult(
             testing::SafeMatcherCast<std::string>(message),
             std::string(status.message()), result_listener);
}

// An error's reason, a constant of base/reason.h.
MATCHER_P(HasReason, reason, "") {
  const absl::Status& status = testing_internal::StatusOf(arg);
  *result_listener << "whose status is " << status.ToString();
  return DetailsOf(status).reason == reason;
}

inline auto StatusIs(absl::StatusCode code) { return HasStatus(code); }

template <typename Message>
auto StatusIs(absl::StatusCode code, Message message) {
  return HasStatusAndMessage(code, message);
}

MATCHER_P(IsOkAndHolds, matcher, "") {
  if (!arg.ok()) {
    *result_listener << "whose status is " << arg.status().ToString();
    return false;
  }
  using Value = std::decay_t<decltype(*arg)>;
  return testing::ExplainMatchResult(testing::SafeMatcherCast<Value>(matcher),
                                     *arg, result_listener);
}

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_TESTING_STATUS_MATCHERS_H_
