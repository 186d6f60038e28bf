#include "cli/command/event_command.h"

#include <cstdint>
#include <string>

#include "cli/testing/fake_service.h"
#include "cli/testing/inn_run.h"
#include "gmock/gmock.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/events.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "innkeeper/v1/hosts.pb.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using Writer = grpc::ServerWriter<v1::WatchEventsResponse>;

void SendEvent(Writer* writer, int64_t sequence, const std::string& type) {
  v1::WatchEventsResponse response;
  v1::Event* event = response.mutable_event();
  event->set_host("hosts/h1");
  event->set_epoch("e");
  event->set_sequence(sequence);
  event->mutable_time()->set_seconds(1800000000);
  event->set_type(type);
  event->set_guest("guests/web");
  event->set_caller("user/alice");
  event->set_message("said \x1b[31mso");
  writer->Write(response);
}

void SendMark(Writer* writer, const std::string& token) {
  v1::WatchEventsResponse response;
  response.mutable_progress()->set_resume_token(token);
  writer->Write(response);
}

class EventCommandTest : public testing::Test {
 protected:
  EventCommandTest() { inn_.variables = {{"INN_ADDRESS", service_.address()}}; }

  FakeService service_;
  InnRun inn_;
};

TEST_F(EventCommandTest, EventsAreRowsAndCannotSteerTheTerminal) {
  service_.events = [](const auto&, auto*, Writer* writer) {
    SendMark(writer, "t0");
    SendEvent(writer, 1, "guest.launched");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"events"}), 0) << inn_.err;
  EXPECT_EQ(
      inn_.out,
      "TIME                  HOST  TYPE                GUEST  CALLER      "
      "MESSAGE\n"
      "2027-01-15T08:00:00Z  h1    guest.launched      web    "
      "user/alice  said \\x1b[31mso\n");
}

TEST_F(EventCommandTest, AfterABreakNothingIsShownTwice) {
  int calls = 0;
  service_.events = [&](const v1::WatchEventsRequest& request, auto*,
                        Writer* writer) {
    if (++calls == 1) {
      SendMark(writer, "t1");
      SendEvent(writer, 1, "guest.launched");
      SendEvent(writer, 2, "guest.started");
      return grpc::Status(grpc::UNAVAILABLE, "restarting");
    }
    EXPECT_EQ(request.resume_token(), "t1");
    SendEvent(writer, 1, "guest.launched");
    SendEvent(writer, 2, "guest.started");
    SendEvent(writer, 3, "guest.stopped");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"events", "--follow", "-o", "name"}), 0) << inn_.err;
  EXPECT_EQ(inn_.out, "guests/web\nguests/web\nguests/web\n");
}

TEST_F(EventCommandTest, JsonLinesHoldTheMarksToResumeFrom) {
  service_.events = [](const auto&, auto*, Writer* writer) {
    SendMark(writer, "t9");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"events", "-o", "jsonl"}), 0);
  EXPECT_EQ(inn_.out, "{\"progress\":{\"resumeToken\":\"t9\"}}\n");
}

TEST_F(EventCommandTest, HistoryThatIsGoneIsAnErrorAndNotAGap) {
  service_.events = [](const auto&, auto*, Writer*) {
    return grpc::Status(grpc::OUT_OF_RANGE, "older than what is kept");
  };
  EXPECT_EQ(inn_.Run({"events", "--resume", "old"}), 1);
  EXPECT_THAT(inn_.err, StartsWith("inn: events: older than what is kept\n"));
}

TEST_F(EventCommandTest, HostsAreATable) {
  service_.list_hosts = [&](const auto&, v1::ListHostsResponse* response) {
    v1::Host* host = response->add_hosts();
    host->set_name("hosts/h1");
    host->set_state(v1::Host::UP);
    host->set_cordoned(true);
    host->mutable_capacity()->set_vcpu_count(8);
    host->mutable_capacity()->set_memory_bytes(int64_t{16} << 30);
    host->mutable_allocated()->set_vcpu_count(3);
    host->mutable_allocated()->set_memory_bytes(int64_t{1} << 30);
    host->mutable_allocated()->set_guest_count(2);
    host->mutable_acceleration()->set_kvm(true);
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"host", "list"}), 0) << inn_.err;
  EXPECT_EQ(inn_.out,
            "NAME  STATE        GUESTS  VCPUS  MEMORY  ACCEL\n"
            "h1    UP,CORDONED  2       3/8    1G/16G  kvm\n");
}

TEST_F(EventCommandTest, TokenIsAloneOnStandardOutput) {
  service_.create_token = [](const auto&,
                             v1::CreateEnrolmentTokenResponse* response) {
    response->set_token("s3cret");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"host", "token", "h3"}), 0);
  EXPECT_EQ(inn_.out, "s3cret\n");
  EXPECT_THAT(inn_.err, Not(HasSubstr("s3cret")));
}

}  // namespace
}  // namespace innkeeper
