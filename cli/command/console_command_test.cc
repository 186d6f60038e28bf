#include "cli/command/console_command.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "cli/testing/fake_service.h"
#include "cli/testing/inn_run.h"
#include "gmock/gmock.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/consoles.pb.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ConsoleCommandTest : public testing::Test {
 protected:
  ConsoleCommandTest() {
    inn_.variables = {{"INN_ADDRESS", service_.address()}};
    // A guest that greets and says back what is typed.
    service_.console = [this](grpc::ServerContext*, auto* stream) {
      v1::AttachSerialRequest request;
      v1::AttachSerialResponse response;
      if (!stream->Read(&request)) return grpc::Status::CANCELLED;
      first_ = request;
      response.set_output("login: ");
      stream->Write(response);
      while (stream->Read(&request)) {
        if (request.input() == "bye") return grpc::Status::OK;
        response.set_output(absl::StrCat("<", request.input(), ">"));
        stream->Write(response);
      }
      return grpc::Status::OK;
    };
  }

  v1::AttachSerialRequest first_;
  FakeService service_;
  InnRun inn_;
};

TEST_F(ConsoleCommandTest, PipedInputIsTypedAndTheAnswerComesBack) {
  inn_.input = "hello";
  EXPECT_EQ(inn_.Run({"console", "web"}), 0) << inn_.err;
  EXPECT_EQ(first_.name(), "guests/web");
  EXPECT_EQ(inn_.out, "login: <hello>");
}

TEST_F(ConsoleCommandTest, EscapeKeyDetachesAndWhatFollowsIsNotTyped) {
  inn_.input =
      "\x1d"
      "never";
  inn_.keep_input_open = true;
  EXPECT_EQ(inn_.Run({"console", "web"}), 0) << inn_.err;
  EXPECT_THAT(inn_.out, Not(HasSubstr("never")));
}

TEST_F(ConsoleCommandTest, EscapeKeyCanBeChosen) {
  inn_.input = "\x01";
  inn_.keep_input_open = true;
  EXPECT_EQ(inn_.Run({"console", "web", "--escape", "^a"}), 0) << inn_.err;
}

TEST_F(ConsoleCommandTest, EndsWithTheGuest) {
  inn_.input = "bye";
  inn_.keep_input_open = true;
  EXPECT_EQ(inn_.Run({"console", "web"}), 0) << inn_.err;
}

TEST_F(ConsoleCommandTest, ReadOnlyTypesNothing) {
  inn_.input = "bye";
  inn_.keep_input_open = true;
  EXPECT_EQ(inn_.Run({"console", "web", "--read-only", "--timeout", "300ms"}),
            0)
      << inn_.err;
  EXPECT_TRUE(first_.read_only());
  EXPECT_EQ(inn_.out, "login: ");
}

TEST_F(ConsoleCommandTest, UntilIsFoundAcrossPieces) {
  inn_.input = "x";
  EXPECT_EQ(
      inn_.Run({"console", "web", "--until", "gin: <x", "--timeout", "10s"}), 0)
      << inn_.err;
}

TEST_F(ConsoleCommandTest, UntilThatDoesNotComeIsATimeout) {
  EXPECT_EQ(
      inn_.Run({"console", "web", "--until", "never", "--timeout", "200ms"}),
      6);
  EXPECT_THAT(inn_.err, HasSubstr("did not write 'never' within 200ms"));
}

TEST_F(ConsoleCommandTest, RefusalIsTold) {
  service_.console = [](grpc::ServerContext*, auto*) {
    return grpc::Status(grpc::FAILED_PRECONDITION, "guest 'web' is STOPPED");
  };
  inn_.keep_input_open = true;
  EXPECT_EQ(inn_.Run({"console", "web"}), 7);
  EXPECT_THAT(inn_.err, StartsWith("inn: console: guest 'web' is STOPPED\n"));
}

}  // namespace
}  // namespace innkeeper
