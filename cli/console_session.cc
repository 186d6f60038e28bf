#include "cli/console_session.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "cli/api_client.h"
#include "cli/errors.h"
#include "cli/interrupt.h"
#include "cli/raw_terminal.h"
#include "cli/session.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"
#include "innkeeper/v1/consoles.pb.h"

namespace innkeeper {
namespace {

using Stream =
    grpc::ClientReaderWriter<v1::AttachSerialRequest, v1::AttachSerialResponse>;

// For what a guest answers to the last of a piped input.
constexpr int kLingerMs = 1000;

// Looks for a text in a stream of pieces.
class Finder {
 public:
  explicit Finder(std::string text) : text_(std::move(text)) {}

  bool Found(absl::string_view piece) {
    if (text_.empty()) return false;
    absl::StrAppend(&tail_, piece);
    if (absl::StrContains(tail_, text_)) return true;
    // What may still be the front of the text.
    if (tail_.size() >= text_.size()) {
      tail_.erase(0, tail_.size() - text_.size() + 1);
    }
    return false;
  }

 private:
  const std::string text_;
  std::string tail_;
};

// Carries the input to the guest, on a thread of its own.
class Typist {
 public:
  // Nothing is owned; all outlives Stop.
  Typist(int input, const ConsoleOptions& options, Stream* stream,
         grpc::ClientContext* context)
      : input_(input),
        options_(options),
        stream_(stream),
        context_(context),
        stop_(eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Typist() { Stop(); }

  // Ends the thread. Says whether the person, or the end of the input, ended
  // the attachment.
  bool Stop() {
    if (thread_.joinable()) {
      const uint64_t one = 1;
      // An eventfd takes its first write always.
      if (write(stop_.get(), &one, sizeof(one)) < 0) context_->TryCancel();
      thread_.join();
    }
    return detached_;
  }

 private:
  void Run() {
    char buffer[4096];
    while (Wait(-1)) {
      const ssize_t got = read(input_, buffer, sizeof(buffer));
      if (got <= 0) return EndOfInput();
      absl::string_view text(buffer, got);
      const size_t escape = options_.escape.has_value()
                                ? text.find(*options_.escape)
                                : absl::string_view::npos;
      text = text.substr(0, escape);
      if (!text.empty() && !options_.read_only && !Send(text)) return;
      if (escape != absl::string_view::npos) return Detach();
    }
  }

  // False once the attachment is over. Waits for the input, or only for
  // `timeout_ms` if that is not negative.
  bool Wait(int timeout_ms) {
    pollfd fds[] = {{stop_.get(), POLLIN, 0}, {input_, POLLIN, 0}};
    int ready;
    do {
      ready = poll(fds, timeout_ms < 0 ? 2 : 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    return fds[0].revents == 0;
  }

  bool Send(absl::string_view text) {
    v1::AttachSerialRequest request;
    request.set_input(std::string(text));
    return stream_->Write(request);
  }

  void EndOfInput() {
    const bool ends_otherwise = !options_.until.empty() ||
                                options_.timeout != absl::InfiniteDuration() ||
                                options_.read_only;
    if (!ends_otherwise && Wait(kLingerMs)) Detach();
  }

  void Detach() {
    detached_ = true;
    context_->TryCancel();
  }

  const int input_;
  const ConsoleOptions& options_;
  Stream* const stream_;
  grpc::ClientContext* const context_;
  const UniqueFd stop_;
  std::atomic<bool> detached_{false};
  std::thread thread_;
};

absl::Status Outcome(const ConsoleOptions& options, const absl::Status& status,
                     bool detached, bool found) {
  if (detached || found) return absl::OkStatus();
  if (!options.until.empty() &&
      (status.ok() || absl::IsDeadlineExceeded(status))) {
    return Error(
        absl::StatusCode::kDeadlineExceeded, reason::kDeadlineExceeded,
        absl::StrCat(
            options.guest, " did not write '", options.until, "' ",
            status.ok() ? "before it ended"
                        : absl::StrCat("within ",
                                       absl::FormatDuration(options.timeout))));
  }
  const bool was_asked_for = options.timeout != absl::InfiniteDuration();
  if (absl::IsDeadlineExceeded(status) && was_asked_for) {
    return absl::OkStatus();
  }
  return status;
}

}  // namespace

absl::StatusOr<std::optional<char>> ParseEscape(absl::string_view text) {
  if (text == "none") return std::optional<char>();
  if (text.size() == 1) return std::optional<char>(text[0]);
  const char key =
      text.size() == 2 && text[0] == '^' ? absl::ascii_toupper(text[1]) : '\0';
  if (key >= '@' && key <= '_') return std::optional<char>(key & 0x1f);
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat("'", text,
                            "' is no escape key; write one such as ^], or "
                            "none"))
      .Build();
}

absl::Status AttachConsole(Session& session, const ConsoleOptions& options) {
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  const Environment& environment = session.environment();
  grpc::ClientContext context;
  if (options.timeout != absl::InfiniteDuration()) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + options.timeout));
  }
  const Interrupt::Guard guard(client->interrupt(), &context);
  const std::unique_ptr<Stream> stream =
      client->consoles().AttachSerial(&context);
  v1::AttachSerialRequest first;
  first.set_name(options.guest);
  first.set_read_only(options.read_only);
  stream->Write(first);

  Finder finder(options.until);
  bool found = false;
  bool detached = false;
  absl::Status status;
  {
    const RawTerminal raw(environment.input);
    Typist typist(environment.input, options, stream.get(), &context);
    v1::AttachSerialResponse response;
    while (!found && stream->Read(&response)) {
      session.Print(response.output());
      found = finder.Found(response.output());
    }
    if (found) context.TryCancel();
    // Nothing may be written any more when the call is finished.
    detached = typist.Stop();
    status = FromGrpc(stream->Finish());
  }
  if (environment.input_is_terminal) session.Progress("detached");
  if (client->interrupt()->raised()) return absl::OkStatus();
  return Outcome(options, status, detached, found);
}

}  // namespace innkeeper
