// Streams of the API that are taken up again after a break.
#ifndef INNKEEPER_CLI_STREAM_H_
#define INNKEEPER_CLI_STREAM_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "cli/api_client.h"
#include "cli/errors.h"
#include "cli/interrupt.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"

namespace innkeeper {

// Whether a stream that ended with `status` can be resumed.
inline bool IsBreak(const absl::Status& status) {
  return absl::IsUnavailable(status) ||
         (absl::IsResourceExhausted(status) &&
          DetailsOf(status).reason == reason::kWatcherTooSlow);
}

// Calls `method` with `request` and hands every response to `on_response`
// until that returns false; blocks. Where the service goes away the stream is
// resumed from its last progress mark, ApiClient::kAttempts times without a
// message in between. With `start_afresh`, a history that is gone is started
// again without a token.
//
// OK if `on_response` or the service ended it, DEADLINE_EXCEEDED at `deadline`,
// CANCELLED on Ctrl-C, or the stream's own error.
template <typename Stub, typename Request, typename Response>
absl::Status FollowStream(
    ApiClient& client,
    std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(
        grpc::ClientContext*, const Request&),
    Stub& stub, Request request, absl::Time deadline, bool start_afresh,
    const std::function<bool(const Response&)>& on_response) {
  absl::Duration delay = client.retry_delay();
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    if (deadline != absl::InfiniteFuture()) {
      context.set_deadline(absl::ToChronoTime(deadline));
    }
    absl::Status status;
    {
      const Interrupt::Guard guard(client.interrupt(), &context);
      const auto reader = (stub.*method)(&context, request);
      Response response;
      while (reader->Read(&response)) {
        attempt = 0;
        delay = client.retry_delay();
        if (response.has_progress()) {
          request.set_resume_token(response.progress().resume_token());
        }
        if (!on_response(response)) {
          context.TryCancel();
          // Ends the call; its status is our own doing.
          reader->Finish();
          return absl::OkStatus();
        }
      }
      status = FromGrpc(reader->Finish());
    }
    if (start_afresh && absl::IsOutOfRange(status) &&
        !request.resume_token().empty()) {
      request.clear_resume_token();
      continue;
    }
    if (!IsBreak(status) || attempt >= ApiClient::kAttempts ||
        client.interrupt()->SleepFor(delay)) {
      return status;
    }
    delay *= 2;
  }
}

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_STREAM_H_
