#include "cli/operation_waiter.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/errors.h"
#include "cli/name.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using google::longrunning::Operations;
using google::longrunning::WaitOperationRequest;

// One poll: short where somebody watches the steps go by.
constexpr absl::Duration kPoll = absl::Seconds(20);
constexpr absl::Duration kWatchedPoll = absl::Seconds(1);
// On top of a poll, for the answer to come back.
constexpr absl::Duration kSlack = absl::Seconds(10);

v1::GuestOperationMetadata MetadataOf(const Operation& operation) {
  v1::GuestOperationMetadata metadata;
  // Another type, or none, leaves it empty.
  if (!operation.metadata().UnpackTo(&metadata)) metadata.Clear();
  return metadata;
}

absl::Status TimedOut(const Operation& operation, absl::Duration timeout) {
  const std::string step = MetadataOf(operation).step();
  return Error(
             absl::StatusCode::kDeadlineExceeded, reason::kDeadlineExceeded,
             absl::StrCat(
                 "timed out after ", absl::FormatDuration(timeout),
                 " waiting for the ", DescribeOperation(operation), "; it is ",
                 step.empty() ? "not done" : absl::StrCat("at '", step, "'"),
                 " and goes on as ", operation.name(), "; try: inn op wait ",
                 ShortName(operation.name())))
      .With("operation", operation.name());
}

absl::Status Interrupted(const Operation& operation) {
  return Error(
      absl::StatusCode::kCancelled, "",
      absl::StrCat("no longer waiting; the ", DescribeOperation(operation),
                   " goes on as ", operation.name(), "; try: inn op wait ",
                   ShortName(operation.name())));
}

// Repeats what a poll may be told while the service restarts.
absl::StatusOr<Operation> Poll(ApiClient& client, const std::string& name,
                               absl::Duration span) {
  WaitOperationRequest request;
  request.set_name(name);
  const int64_t nanos = absl::ToInt64Nanoseconds(span);
  request.mutable_timeout()->set_seconds(nanos / 1000000000);
  request.mutable_timeout()->set_nanos(
      static_cast<int32_t>(nanos % 1000000000));
  absl::Duration delay = client.retry_delay();
  for (int attempt = 1;; ++attempt) {
    absl::StatusOr<Operation> polled =
        client.Call(&Operations::Stub::WaitOperation, client.operations(),
                    request, span + kSlack);
    if (!absl::IsUnavailable(polled.status()) ||
        attempt == ApiClient::kAttempts ||
        client.interrupt()->SleepFor(delay)) {
      return polled;
    }
    delay *= 2;
  }
}

}  // namespace

std::string DescribeOperation(const Operation& operation) {
  const v1::GuestOperationMetadata metadata = MetadataOf(operation);
  if (metadata.verb().empty()) return operation.name();
  return absl::StrCat(metadata.verb(), " of ", metadata.guest());
}

absl::StatusOr<Operation> AwaitOperation(Session& session, Operation operation,
                                         absl::Duration timeout) {
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  const absl::Time deadline = absl::Now() + timeout;
  const bool watched = session.environment().error_is_terminal;
  std::string step;
  while (!operation.done()) {
    const std::string now = MetadataOf(operation).step();
    if (now != step) {
      step = now;
      session.Progress(absl::StrCat(DescribeOperation(operation), ": ", step));
    }
    if (client->interrupt()->raised()) return Interrupted(operation);
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return TimedOut(operation, timeout);
    absl::StatusOr<Operation> polled =
        Poll(*client, operation.name(),
             std::min(left, watched ? kWatchedPoll : kPoll));
    if (client->interrupt()->raised() && !polled.ok()) {
      return Interrupted(operation);
    }
    if (!polled.ok()) {
      return Annotate(polled.status(),
                      absl::StrCat("waiting for ", operation.name()));
    }
    operation = *std::move(polled);
  }
  if (operation.has_error()) return FromOperationError(operation.error());
  return operation;
}

}  // namespace innkeeper
