#include "cli/command/report_command.h"

#include <string>

#include "cli/testing/fake_service.h"
#include "cli/testing/inn_run.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"
#include "innkeeper/v1/hosts.pb.h"
#include "innkeeper/v1/policy.pb.h"

namespace innkeeper {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

grpc::Status Reason(grpc::StatusCode code, const std::string& reason,
                    const std::string& message) {
  google::rpc::Status rpc;
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  rpc.add_details()->PackFrom(info);
  return grpc::Status(code, message, rpc.SerializeAsString());
}

// A cluster with the guests a, b and c.
class ReportCommandTest : public testing::Test {
 protected:
  ReportCommandTest() {
    inn_.variables = {{"INN_ADDRESS", service_.address()}};
    service_.who_am_i = [](const auto&, v1::WhoAmIResponse* response) {
      response->set_principal("user/auditor");
      response->set_answered_by("server/s1");
      return grpc::Status::OK;
    };
    service_.list_hosts = [](const auto&, v1::ListHostsResponse* response) {
      v1::Host* const host = response->add_hosts();
      host->set_name("hosts/h1");
      host->set_state(v1::Host::UP);
      host->set_qemu_version("7.2.22");
      return grpc::Status::OK;
    };
    service_.list = [](const auto& request, v1::ListGuestsResponse* response) {
      // In two pages.
      if (request.page_token().empty()) {
        response->add_guests()->set_name("guests/a");
        response->set_next_page_token("b");
      } else {
        response->add_guests()->set_name("guests/b");
        response->add_guests()->set_name("guests/c");
      }
      return grpc::Status::OK;
    };
    service_.security = [this](const auto& request,
                               v1::GuestSecurity* security) {
      if (request.name() == refused_) return refusal_;
      security->set_guest(request.name());
      v1::GuestSecurity::Check* const check = security->add_checks();
      check->set_id("identity.uid");
      check->set_verdict(request.name() == different_
                             ? v1::GuestSecurity::DIFFERENT
                             : v1::GuestSecurity::SAME);
      security->set_as_asked(request.name() != different_);
      return grpc::Status::OK;
    };
  }

  FakeService service_;
  InnRun inn_;
  std::string different_;
  std::string refused_;
  grpc::Status refusal_;
};

TEST_F(ReportCommandTest, GuestsThatAreAllAsAskedAreAnsweredWithZero) {
  EXPECT_EQ(inn_.Run({"report"}), 0) << inn_.err;

  EXPECT_THAT(inn_.out, HasSubstr("user/auditor"));
  EXPECT_THAT(inn_.out, HasSubstr("7.2.22"));
  for (const char* guest : {"guests/a", "guests/b", "guests/c"}) {
    EXPECT_THAT(inn_.out, HasSubstr(guest));
  }
}

TEST_F(ReportCommandTest, DifferenceIsToldFirstAndByTheExitCode) {
  different_ = "guests/c";

  EXPECT_EQ(inn_.Run({"report"}), 1);

  EXPECT_LT(inn_.out.find("guests/c"), inn_.out.find("guests/a"));
  EXPECT_THAT(inn_.err, HasSubstr("1 of 3 guests"));
  EXPECT_EQ(inn_.Run({"report", "-o", "name"}), 1);
  EXPECT_EQ(inn_.out, "guests/c\n");
}

TEST_F(ReportCommandTest, WhatCouldNotBeReadIsNotAsAsked) {
  service_.security = [](const auto& request, v1::GuestSecurity* security) {
    security->set_guest(request.name());
    v1::GuestSecurity::Check* const check = security->add_checks();
    check->set_id("identity.uid");
    check->set_verdict(v1::GuestSecurity::UNKNOWN);
    return grpc::Status::OK;
  };

  EXPECT_EQ(inn_.Run({"report"}), 1);

  EXPECT_THAT(inn_.out, HasSubstr("? unknown"));
  EXPECT_THAT(inn_.err, HasSubstr("3 of 3 guests"));
}

TEST_F(ReportCommandTest, JsonHasEveryPart) {
  different_ = "guests/b";
  refused_ = "guests/a";
  refusal_ = Reason(grpc::StatusCode::FAILED_PRECONDITION, "GUEST_NOT_RUNNING",
                    "it has no process");

  EXPECT_EQ(inn_.Run({"report", "-o", "json"}), 1);

  EXPECT_THAT(inn_.out, HasSubstr("\"caller\": \"user/auditor\""));
  EXPECT_THAT(inn_.out, HasSubstr("\"reportTime\": \""));
  EXPECT_THAT(inn_.out, HasSubstr("\"differingGuestCount\": 1"));
  EXPECT_THAT(inn_.out, HasSubstr("\"qemuVersion\": \"7.2.22\""));
  EXPECT_THAT(inn_.out, HasSubstr("\"verdict\": \"DIFFERENT\""));
  EXPECT_THAT(inn_.out, HasSubstr("\"guests/a\""));
}

TEST_F(ReportCommandTest, StoppedGuestIsNamedAndNoFault) {
  refused_ = "guests/b";
  refusal_ = Reason(grpc::StatusCode::FAILED_PRECONDITION, "GUEST_NOT_RUNNING",
                    "it has no process");

  EXPECT_EQ(inn_.Run({"report"}), 0) << inn_.err;

  EXPECT_THAT(inn_.out, HasSubstr("Without a process"));
}

TEST_F(ReportCommandTest, GuestThatCannotBeLookedAtIsNamedAndAFault) {
  refused_ = "guests/b";
  refusal_ = Reason(grpc::StatusCode::PERMISSION_DENIED, "PERMISSION_DENIED",
                    "not for you");

  EXPECT_EQ(inn_.Run({"report"}), 5);

  EXPECT_THAT(inn_.out, HasSubstr("guests/b: not for you"));
  EXPECT_THAT(inn_.out, HasSubstr("guests/c"));
}

TEST_F(ReportCommandTest, HostThatIsAwayIsNamedAndAFault) {
  service_.list_hosts = [](const auto&, v1::ListHostsResponse* response) {
    v1::Host* const host = response->add_hosts();
    host->set_name("hosts/h2");
    host->set_state(v1::Host::UNREACHABLE);
    return grpc::Status::OK;
  };

  EXPECT_EQ(inn_.Run({"report"}), 3);

  EXPECT_THAT(inn_.out, HasSubstr("Unreachable:"));
  EXPECT_THAT(inn_.err, HasSubstr("hosts/h2"));
}

TEST_F(ReportCommandTest, HostAndOwnerNarrowWhatIsLookedAt) {
  EXPECT_EQ(inn_.Run({"report", "--host", "h2", "--owner", "alice"}), 0)
      << inn_.err;

  EXPECT_THAT(service_.requests(),
              Contains(HasSubstr("owner = \\\"user/alice\\\"")));
  EXPECT_THAT(service_.requests(),
              Contains(HasSubstr("host = \\\"hosts/h2\\\"")));
  // Nothing of hosts that were not asked about.
  EXPECT_THAT(inn_.out, Not(HasSubstr("hosts/h1")));
}

TEST_F(ReportCommandTest, HelpSaysWhatTheExitCodesMean) {
  EXPECT_EQ(inn_.Run({"report", "--help"}), 0);

  EXPECT_THAT(inn_.out, HasSubstr("1 a guest differs"));
}

}  // namespace
}  // namespace innkeeper
