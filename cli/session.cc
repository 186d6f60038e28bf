#include "cli/session.h"

#include <unistd.h>

#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "cli/connection.h"
#include "cli/output/json.h"
#include "cli/output/printable.h"
#include "cli/remotes.h"
#include "google/protobuf/message.h"
#include "grpcpp/channel.h"

namespace innkeeper {

Session::Session(Environment environment)
    : environment_(std::move(environment)) {}

bool Session::coloured() const {
  return environment_.output_is_terminal &&
         !environment_.variable("NO_COLOR").has_value() &&
         environment_.variable("TERM") != "dumb";
}

absl::StatusOr<ApiClient*> Session::Client() {
  if (client_ == nullptr) {
    ASSIGN_OR_RETURN(const Remote remote,
                     ChooseRemote(options_.remote, environment_.variable));
    ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel,
                     OpenChannel(remote));
    client_ = std::make_unique<ApiClient>(
        std::move(channel), environment_.interrupt, environment_.retry_delay);
  }
  return client_.get();
}

void Session::Print(absl::string_view text) {
  environment_.out->write(text.data(),
                          static_cast<std::streamsize>(text.size()));
  environment_.out->flush();
}

absl::Status Session::PrintJson(const google::protobuf::Message& message) {
  ASSIGN_OR_RETURN(const std::string json,
                   ToJson(message, format() == OutputFormat::kJson));
  Print(json);
  return absl::OkStatus();
}

void Session::PrintLine(absl::string_view text) {
  Print(Printable(text) + "\n");
}

void Session::Say(absl::string_view text) {
  if (!options_.quiet) PrintLine(text);
}

void Session::Warn(absl::string_view text) {
  *environment_.err << Printable(text) << std::endl;
}

void Session::Progress(absl::string_view text) {
  if (environment_.error_is_terminal && !options_.quiet) Warn(text);
}

bool Session::Confirm(absl::string_view question) {
  *environment_.err << Printable(question) << " [y/N] " << std::flush;
  std::string answer;
  char c = 0;
  while (answer.size() < 16 && read(environment_.input, &c, 1) == 1 &&
         c != '\n') {
    answer.push_back(c);
  }
  return answer == "y" || answer == "yes";
}

}  // namespace innkeeper
