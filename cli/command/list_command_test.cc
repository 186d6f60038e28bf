#include "cli/command/list_command.h"

#include <algorithm>
#include <cstdint>
#include <string>

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

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ListCommandTest : public testing::Test {
 protected:
  ListCommandTest() { inn_.variables = {{"INN_ADDRESS", service_.address()}}; }

  v1::Guest Guest(const std::string& id, const std::string& owner,
                  const std::string& host, v1::Guest::State state) {
    v1::Guest guest;
    guest.set_name("guests/" + id);
    guest.set_owner("user/" + owner);
    guest.set_host("hosts/" + host);
    guest.set_state(state);
    guest.mutable_spec()->set_vcpu_count(1);
    guest.mutable_spec()->set_memory_bytes(512 << 20);
    const int64_t now = absl::ToUnixSeconds(inn_.clock.Now());
    guest.mutable_create_time()->set_seconds(now - 7200);
    guest.mutable_observe_time()->set_seconds(now - 200);
    return guest;
  }

  // Three guests on two pages; one host is away.
  void ServeTwoPages() {
    service_.list = [this](const v1::ListGuestsRequest& request,
                           v1::ListGuestsResponse* response) {
      response->add_unreachable("hosts/h2");
      if (request.page_token().empty()) {
        *response->add_guests() =
            Guest("db", "tenant-a", "h1", v1::Guest::RUNNING);
        *response->add_guests() =
            Guest("old", "tenant-b", "h2", v1::Guest::RUNNING);
        response->mutable_guests(1)->set_stale(true);
        response->set_next_page_token("p2");
      } else {
        *response->add_guests() =
            Guest("web-frontend", "a", "h1", v1::Guest::FAILED);
      }
      return grpc::Status::OK;
    };
  }

  FakeService service_;
  InnRun inn_;
};

TEST_F(ListCommandTest, EveryPageIsInOneTableAndStaleGuestsShowTheirAge) {
  ServeTwoPages();
  EXPECT_EQ(inn_.Run({"list"}), 0) << inn_.err;
  EXPECT_EQ(
      inn_.out,
      "NAME          OWNER          HOST  STATE               VCPUS  MEMORY  "
      "AGE\n"
      "db            user/tenant-a  h1    RUNNING             1      512M    "
      "2h\n"
      "old           user/tenant-b  h2    RUNNING (stale 3m)  1      512M    "
      "2h\n"
      "web-frontend  user/a         h1    FAILED              1      512M    "
      "2h\n");
  EXPECT_EQ(inn_.err, "unreachable, guests as last seen: hosts/h2\n");
  EXPECT_THAT(service_.requests(),
              ElementsAre("ListGuestsRequest { view: BASIC }",
                          "ListGuestsRequest { page_token: \"p2\" view: BASIC "
                          "}"));
}

TEST_F(ListCommandTest, JsonIsOneResponseWithoutAPageToken) {
  ServeTwoPages();
  EXPECT_EQ(inn_.Run({"list", "-o", "json"}), 0);
  EXPECT_THAT(inn_.out, HasSubstr("\"name\": \"guests/db\""));
  EXPECT_THAT(inn_.out, HasSubstr("\"name\": \"guests/web-frontend\""));
  EXPECT_THAT(inn_.out, HasSubstr("\"unreachable\": [\n  \"hosts/h2\"\n ]"));
  EXPECT_THAT(inn_.out, HasSubstr("\"memoryBytes\": \"536870912\""));
  EXPECT_THAT(inn_.out, Not(HasSubstr("nextPageToken")));
}

TEST_F(ListCommandTest, NamesAndJsonLinesAreOneALine) {
  ServeTwoPages();
  EXPECT_EQ(inn_.Run({"list", "-o", "name"}), 0);
  EXPECT_EQ(inn_.out, "guests/db\nguests/old\nguests/web-frontend\n");
  EXPECT_EQ(inn_.Run({"list", "-o", "jsonl"}), 0);
  EXPECT_EQ(std::count(inn_.out.begin(), inn_.out.end(), '\n'), 3);
}

TEST_F(ListCommandTest, ServiceThatRepeatsItsPageIsGivenUp) {
  service_.list = [](const auto&, v1::ListGuestsResponse* response) {
    response->set_next_page_token("again");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"list"}), 1);
  EXPECT_THAT(service_.requests(), SizeIs(2));
}

TEST_F(ListCommandTest, ColoursAreForTerminalsWithoutNoColor) {
  ServeTwoPages();
  inn_.output_is_terminal = true;
  EXPECT_EQ(inn_.Run({"list"}), 0);
  EXPECT_THAT(inn_.out, HasSubstr("\x1b[31mFAILED\x1b[0m"));
  inn_.variables["NO_COLOR"] = "1";
  EXPECT_EQ(inn_.Run({"list"}), 0);
  EXPECT_THAT(inn_.out, Not(HasSubstr("\x1b")));
}

TEST_F(ListCommandTest, HostileTextCannotSteerTheTerminal) {
  service_.list = [this](const auto&, v1::ListGuestsResponse* response) {
    *response->add_guests() = Guest("\x1b[2J\nx",
                                    "\xe2\x80\xae"
                                    "b",
                                    "h\x07", v1::Guest::RUNNING);
    response->add_unreachable("\x1b]0;t\x07");
    return grpc::Status::OK;
  };
  for (const char* format : {"table", "wide", "name"}) {
    EXPECT_EQ(inn_.Run({"list", "-o", format}), 0);
    EXPECT_THAT(inn_.out, Not(HasSubstr("\x1b"))) << format;
    EXPECT_THAT(inn_.out, Not(HasSubstr("\x07"))) << format;
    EXPECT_THAT(inn_.out, HasSubstr("\\x1b[2J\\nx")) << format;
    EXPECT_THAT(inn_.err, Not(HasSubstr("\x1b"))) << format;
  }
}

TEST_F(ListCommandTest, EmptyListIsAHeader) {
  service_.list = [](const auto&, v1::ListGuestsResponse*) {
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"list"}), 0);
  EXPECT_EQ(inn_.out, "NAME  OWNER  HOST  STATE  VCPUS  MEMORY  AGE\n");
}

TEST_F(ListCommandTest, WatchShowsATableThenChangesAndResumesAfterABreak) {
  int calls = 0;
  service_.watch = [&](const v1::WatchGuestsRequest& request,
                       grpc::ServerContext*,
                       grpc::ServerWriter<v1::WatchGuestsResponse>* writer) {
    v1::WatchGuestsResponse response;
    if (++calls == 1) {
      *response.mutable_guest() = Guest("db", "a", "h1", v1::Guest::RUNNING);
      writer->Write(response);
      response.mutable_progress()->set_resume_token("t1");
      writer->Write(response);
      return grpc::Status(grpc::UNAVAILABLE, "restarting");
    }
    EXPECT_EQ(request.resume_token(), "t1");
    response.set_removed("guests/db");
    writer->Write(response);
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"list", "--watch"}), 0) << inn_.err;
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(inn_.out,
            "NAME  OWNER   HOST  STATE    VCPUS  MEMORY  AGE\n"
            "db    user/a  h1    RUNNING  1      512M    2h\n"
            "db    -       -     GONE     -      -       -\n");
}

TEST_F(ListCommandTest, WatchEndsWellOnAnInterrupt) {
  service_.watch = [&](const auto&, grpc::ServerContext* context,
                       grpc::ServerWriter<v1::WatchGuestsResponse>* writer) {
    v1::WatchGuestsResponse response;
    response.mutable_progress()->set_resume_token("t1");
    writer->Write(response);
    inn_.interrupt.Raise();
    while (!context->IsCancelled() && writer->Write(response)) {
    }
    return grpc::Status::CANCELLED;
  };
  EXPECT_EQ(inn_.Run({"list", "--watch"}), 0) << inn_.err;
}

TEST_F(ListCommandTest, WatchGivesUpOnAServiceThatStaysAway) {
  service_.watch = [](const auto&, grpc::ServerContext*,
                      grpc::ServerWriter<v1::WatchGuestsResponse>*) {
    return grpc::Status(grpc::UNAVAILABLE, "gone");
  };
  EXPECT_EQ(inn_.Run({"list", "--watch"}), 3);
  EXPECT_THAT(service_.requests(), SizeIs(5));
  EXPECT_THAT(inn_.out, IsEmpty());
}

}  // namespace
}  // namespace innkeeper
