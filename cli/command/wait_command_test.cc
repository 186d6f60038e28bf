#include "cli/command/wait_command.h"

#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/testing/fake_service.h"
#include "cli/testing/inn_run.h"
#include "gmock/gmock.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

using Writer = grpc::ServerWriter<v1::WatchGuestsResponse>;

void SendGuest(Writer* writer, v1::Guest::State state, bool stale = false) {
  v1::WatchGuestsResponse response;
  response.mutable_guest()->set_name("guests/web");
  response.mutable_guest()->set_state(state);
  response.mutable_guest()->set_stale(stale);
  response.mutable_guest()->set_state_message("kernel is slow");
  writer->Write(response);
}

void SendProgress(Writer* writer) {
  v1::WatchGuestsResponse response;
  response.mutable_progress()->set_resume_token("t");
  writer->Write(response);
}

void SendRemoved(Writer* writer) {
  v1::WatchGuestsResponse response;
  response.set_removed("guests/web");
  writer->Write(response);
}

// Keeps the stream open until the caller has had enough of it.
grpc::Status Hold(grpc::ServerContext* context) {
  while (!context->IsCancelled()) {
    absl::SleepFor(absl::Milliseconds(2));
  }
  return grpc::Status::CANCELLED;
}

class WaitCommandTest : public testing::Test {
 protected:
  WaitCommandTest() { inn_.variables = {{"INN_ADDRESS", service_.address()}}; }

  FakeService service_;
  InnRun inn_;
};

TEST_F(WaitCommandTest, EndsWhenTheGuestGetsThere) {
  service_.watch = [](const auto&, auto* context, Writer* writer) {
    SendGuest(writer, v1::Guest::STARTING);
    SendProgress(writer);
    SendGuest(writer, v1::Guest::RUNNING);
    return Hold(context);
  };
  EXPECT_EQ(inn_.Run({"wait", "web"}), 0) << inn_.err;
  EXPECT_EQ(inn_.out, "guests/web is RUNNING\n");
}

TEST_F(WaitCommandTest, StaleStateIsNotBelieved) {
  service_.watch = [](const auto&, auto* context, Writer* writer) {
    SendGuest(writer, v1::Guest::RUNNING, /*stale=*/true);
    SendProgress(writer);
    return Hold(context);
  };
  EXPECT_EQ(inn_.Run({"wait", "web", "--timeout", "200ms"}), 6);
  EXPECT_THAT(inn_.err, HasSubstr("RUNNING (stale"));
}

TEST_F(WaitCommandTest, TimeoutSaysWhatWasWaitedForAndWhatIs) {
  service_.watch = [](const auto&, auto* context, Writer* writer) {
    SendGuest(writer, v1::Guest::STARTING);
    SendProgress(writer);
    return Hold(context);
  };
  EXPECT_EQ(inn_.Run({"wait", "web", "--timeout", "200ms"}), 6);
  EXPECT_THAT(inn_.err,
              HasSubstr("timed out after 200ms waiting for guests/web to be "
                        "running; it is STARTING: kernel is slow"));
}

void SendAddress(Writer* writer, const std::string& address) {
  v1::WatchGuestsResponse response;
  response.mutable_guest()->set_name("guests/web");
  response.mutable_guest()->set_state(v1::Guest::RUNNING);
  response.mutable_guest()->mutable_spec()->add_networks()->set_network(
      "networks/lan");
  if (!address.empty()) response.mutable_guest()->add_addresses(address);
  writer->Write(response);
}

TEST_F(WaitCommandTest, AddressIsWaitedForAndPrinted) {
  service_.watch = [](const auto& request, auto* context, Writer* writer) {
    EXPECT_EQ(request.view(), v1::FULL);
    SendAddress(writer, "");
    SendProgress(writer);
    SendAddress(writer, "192.0.2.7");
    return Hold(context);
  };
  EXPECT_EQ(inn_.Run({"wait", "web", "--for", "ip"}), 0) << inn_.err;
  EXPECT_EQ(inn_.out, "192.0.2.7\n");
}

TEST_F(WaitCommandTest, AddressThatDoesNotComeIsAccountedFor) {
  service_.watch = [](const auto&, auto* context, Writer* writer) {
    SendAddress(writer, "");
    SendProgress(writer);
    return Hold(context);
  };
  EXPECT_EQ(inn_.Run({"wait", "web", "--for", "ip", "--timeout", "200ms"}), 6);
  EXPECT_THAT(inn_.err,
              HasSubstr("waiting for guests/web to have an address; it is "
                        "RUNNING, and no address of it is known"));
  service_.watch = [](const auto&, auto* context, Writer* writer) {
    SendGuest(writer, v1::Guest::RUNNING);
    SendProgress(writer);
    return Hold(context);
  };
  EXPECT_EQ(inn_.Run({"wait", "web", "--for", "ip", "--timeout", "200ms"}), 6);
  EXPECT_THAT(inn_.err, HasSubstr("and has no network"));
}

TEST_F(WaitCommandTest, DeletedIsReachedByGoingAndByNotBeingThere) {
  service_.watch = [](const auto&, auto* context, Writer* writer) {
    SendGuest(writer, v1::Guest::STOPPED);
    SendProgress(writer);
    SendRemoved(writer);
    return Hold(context);
  };
  EXPECT_EQ(inn_.Run({"wait", "web", "--for", "deleted"}), 0) << inn_.err;
  service_.watch = [](const auto&, auto* context, Writer* writer) {
    SendProgress(writer);
    return Hold(context);
  };
  EXPECT_EQ(inn_.Run({"wait", "web", "--for", "deleted"}), 0) << inn_.err;
  EXPECT_EQ(inn_.out, "guests/web is deleted\n");
}

TEST_F(WaitCommandTest, GuestThatIsNotThereReachesNoState) {
  service_.watch = [](const auto&, auto* context, Writer* writer) {
    SendProgress(writer);
    return Hold(context);
  };
  EXPECT_EQ(inn_.Run({"wait", "web", "--for", "state=paused"}), 4);
  EXPECT_THAT(inn_.err, HasSubstr("guests/web does not exist"));
}

}  // namespace
}  // namespace innkeeper
