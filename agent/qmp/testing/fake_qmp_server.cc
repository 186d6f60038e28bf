#include "agent/qmp/testing/fake_qmp_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using nlohmann::json;

// How soon a blocked send sees that the server stops.
constexpr int kSendPollMillis = 20;
constexpr absl::Duration kCommandWait = absl::Seconds(10);

std::string Line(const json& message) {
  return absl::StrCat(message.dump(), "\r\n");
}

std::string FailureLine(absl::string_view error_class,
                        absl::string_view description) {
  const json error = {{"class", std::string(error_class)},
                      {"desc", std::string(description)}};
  return absl::StrCat(R"({"error": )", error.dump(), R"(, "id": $ID})", "\r\n");
}

}  // namespace

FakeQmpServer::FakeQmpServer()
    : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), greeting_(kGreeting) {
  answers_["qmp_capabilities"] = "{\"return\": {}, \"id\": $ID}\r\n";
  thread_ = std::thread([this] { Serve(); });
}

FakeQmpServer::~FakeQmpServer() {
  stopping_ = true;
  Wake();
  thread_.join();
}

void FakeQmpServer::SetGreeting(absl::string_view bytes) {
  absl::MutexLock lock(&mutex_);
  greeting_ = std::string(bytes);
}

void FakeQmpServer::Reply(absl::string_view command, const json& value) {
  ReplyRaw(command, absl::StrCat(R"({"return": )", value.dump(),
                                 R"(, "id": $ID})", "\r\n"));
}

void FakeQmpServer::Fail(absl::string_view command,
                         absl::string_view error_class,
                         absl::string_view description) {
  ReplyRaw(command, FailureLine(error_class, description));
}

void FakeQmpServer::Ignore(absl::string_view command) { ReplyRaw(command, ""); }

void FakeQmpServer::ReplyRaw(absl::string_view command,
                             absl::string_view bytes) {
  absl::MutexLock lock(&mutex_);
  answers_[std::string(command)] = std::string(bytes);
}

UniqueFd FakeQmpServer::Connect() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) abort();
  {
    absl::MutexLock lock(&mutex_);
    new_client_.reset(ends[1]);
  }
  Wake();
  return UniqueFd(ends[0]);
}

absl::Status FakeQmpServer::Listen(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return ErrnoError(ENAMETOOLONG, path);
  }
  memcpy(address.sun_path, path.data(), path.size());
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address),
           sizeof(address)) != 0 ||
      listen(listener.get(), 1) != 0) {
    return ErrnoError(errno, absl::StrCat("listen at ", path));
  }
  {
    absl::MutexLock lock(&mutex_);
    new_listener_ = std::move(listener);
  }
  Wake();
  return absl::OkStatus();
}

void FakeQmpServer::Send(absl::string_view bytes) {
  Do({Action::kSend, std::string(bytes)});
}

void FakeQmpServer::SendEvent(absl::string_view name, const json& data) {
  Send(Line({{"event", std::string(name)},
             {"data", data},
             {"timestamp", {{"seconds", 1800000000}, {"microseconds", 5}}}}));
}

void FakeQmpServer::Flood(absl::string_view bytes) {
  Do({Action::kFlood, std::string(bytes)});
}

void FakeQmpServer::HangUp() { Do({Action::kHangUp, ""}); }

std::vector<json> FakeQmpServer::WaitForCommands(size_t count) {
  absl::MutexLock lock(&mutex_);
  const auto arrived = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return commands_.size() >= count;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&arrived), kCommandWait);
  return commands_;
}

bool FakeQmpServer::WaitForHangUp(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&hung_up_), timeout);
}

void FakeQmpServer::Do(Action action) {
  {
    absl::MutexLock lock(&mutex_);
    actions_.push_back(std::move(action));
  }
  Wake();
}

void FakeQmpServer::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written =
      write(wake_.get(), &one, sizeof(one));
}

void FakeQmpServer::Serve() {
  while (!stopping_) {
    TakeNewSockets();
    DoActions();
    pollfd polled[2] = {
        {wake_.get(), POLLIN, 0},
        {client_.valid() ? client_.get() : listener_.get(), POLLIN, 0}};
    if (poll(polled, 2, -1) < 0) continue;
    uint64_t value;
    [[maybe_unused]] const ssize_t got =
        read(wake_.get(), &value, sizeof(value));
    // What a test said to do before a command was sent comes before its answer.
    const bool served_a_client = client_.valid();
    DoActions();
    if (polled[1].revents == 0 || served_a_client != client_.valid()) continue;
    if (client_.valid()) {
      ReadCommands();
    } else {
      StartClient(
          UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
    }
  }
}

void FakeQmpServer::TakeNewSockets() {
  UniqueFd client;
  {
    absl::MutexLock lock(&mutex_);
    client = std::move(new_client_);
    if (new_listener_.valid()) listener_ = std::move(new_listener_);
  }
  if (client.valid()) StartClient(std::move(client));
}

void FakeQmpServer::StartClient(UniqueFd client) {
  client_ = std::move(client);
  input_.clear();
  std::string greeting;
  {
    absl::MutexLock lock(&mutex_);
    greeting = greeting_;
  }
  SendAll(greeting);
}

void FakeQmpServer::DoActions() {
  while (client_.valid() && !stopping_) {
    Action action;
    {
      absl::MutexLock lock(&mutex_);
      if (actions_.empty()) return;
      action = std::move(actions_.front());
      actions_.pop_front();
    }
    switch (action.what) {
      case Action::kSend:
        SendAll(action.bytes);
        break;
      case Action::kFlood:
        while (SendAll(action.bytes)) {
        }
        break;
      case Action::kHangUp:
        client_.reset();
        break;
    }
  }
}

void FakeQmpServer::ReadCommands() {
  char chunk[4096];
  const ssize_t got = recv(client_.get(), chunk, sizeof(chunk), MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    client_.reset();
    absl::MutexLock lock(&mutex_);
    hung_up_ = true;
    return;
  }
  input_.append(chunk, got);
  size_t newline;
  while ((newline = input_.find('\n')) != std::string::npos) {
    const std::string line = input_.substr(0, newline);
    input_.erase(0, newline + 1);
    Answer(line);
  }
}

void FakeQmpServer::Answer(const std::string& line) {
  const json request = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!request.is_object() || !request.contains("execute")) {
    SendAll(Line({{"error", {{"class", "GenericError"}, {"desc", "bad"}}}}));
    return;
  }
  const std::string command = request["execute"].get<std::string>();
  std::string answer;
  {
    absl::MutexLock lock(&mutex_);
    if (command != "qmp_capabilities") commands_.push_back(request);
    const auto found = answers_.find(command);
    answer = found != answers_.end()
                 ? found->second
                 : FailureLine("CommandNotFound",
                               absl::StrCat("The command ", command,
                                            " has not been found"));
  }
  SendAll(absl::StrReplaceAll(answer, {{"$ID", request["id"].dump()}}));
}

bool FakeQmpServer::SendAll(absl::string_view bytes) {
  while (!bytes.empty() && !stopping_) {
    const ssize_t sent = send(client_.get(), bytes.data(), bytes.size(),
                              MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(sent);
    } else if (errno == EAGAIN) {
      pollfd polled = {client_.get(), POLLOUT, 0};
      poll(&polled, 1, kSendPollMillis);
    } else {
      return false;
    }
  }
  return !stopping_;
}

}  // namespace innkeeper
