// One run of `inn`: what every command shares.
#ifndef INNKEEPER_CLI_SESSION_H_
#define INNKEEPER_CLI_SESSION_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/api_client.h"
#include "cli/environment.h"
#include "cli/output/format.h"
#include "google/protobuf/message.h"

namespace innkeeper {

// What every command takes.
struct CommonOptions {
  std::string remote;  // Empty: the current one.
  OutputFormat format = OutputFormat::kTable;
  bool quiet = false;
};

// Not thread-safe.
class Session {
 public:
  explicit Session(Environment environment);

  const Environment& environment() const { return environment_; }
  CommonOptions& options() { return options_; }
  OutputFormat format() const { return options_.format; }
  // Whether standard output takes colours.
  bool coloured() const;

  // The client of the chosen remote, made with the first use. Errors of
  // ChooseRemote and OpenChannel.
  absl::StatusOr<ApiClient*> Client();

  // To standard output, as it is: everything from a service must be neutralised
  // already.
  void Print(absl::string_view text);
  // As JSON, in the form that was asked for.
  absl::Status PrintJson(const google::protobuf::Message& message);
  // `text`, neutralised, as a line of standard output.
  void PrintLine(absl::string_view text);
  // As PrintLine, for people: not with -q.
  void Say(absl::string_view text);
  // `text`, neutralised, as a line of standard error.
  void Warn(absl::string_view text);
  // As Warn, but only on a terminal and without -q.
  void Progress(absl::string_view text);
  // Asks a question on the terminal; true only for "y" or "yes".
  bool Confirm(absl::string_view question);

 private:
  const Environment environment_;
  CommonOptions options_;
  std::unique_ptr<ApiClient> client_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_SESSION_H_
