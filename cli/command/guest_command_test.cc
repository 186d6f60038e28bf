#include "cli/command/guest_command.h"

#include <string>
#include <vector>

#include "cli/testing/fake_service.h"
#include "cli/testing/inn_run.h"
#include "gmock/gmock.h"
#include "google/longrunning/operations.pb.h"
#include "google/protobuf/empty.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

v1::Guest Web(v1::Guest::State state) {
  v1::Guest guest;
  guest.set_name("guests/web");
  guest.set_owner("user/tenant-a");
  guest.set_host("hosts/h1");
  guest.set_state(state);
  return guest;
}

Operation Pending(const std::string& verb, const std::string& step) {
  Operation operation;
  operation.set_name("operations/o1");
  v1::GuestOperationMetadata metadata;
  metadata.set_verb(verb);
  metadata.set_guest("guests/web");
  metadata.set_step(step);
  operation.mutable_metadata()->PackFrom(metadata);
  return operation;
}

Operation DoneWith(Operation operation, v1::Guest::State state) {
  operation.set_done(true);
  operation.mutable_response()->PackFrom(Web(state));
  return operation;
}

grpc::Status Reason(grpc::StatusCode code, const std::string& reason,
                    const std::string& message) {
  google::rpc::Status rpc;
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  rpc.add_details()->PackFrom(info);
  return grpc::Status(code, message, rpc.SerializeAsString());
}

class GuestCommandTest : public testing::Test {
 protected:
  GuestCommandTest() { inn_.variables = {{"INN_ADDRESS", service_.address()}}; }

  FakeService service_;
  InnRun inn_;
};

TEST_F(GuestCommandTest, LaunchWaitsUntilTheGuestRuns) {
  service_.launch = [](const auto&, Operation* operation) {
    *operation = Pending("launch", "spawning");
    return grpc::Status::OK;
  };
  int polls = 0;
  service_.wait_operation = [&](const auto&, Operation* operation) {
    *operation = Pending("launch", "booting");
    if (++polls == 2) *operation = DoneWith(*operation, v1::Guest::RUNNING);
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"launch", "web"}), 0) << inn_.err;
  EXPECT_EQ(inn_.out, "guests/web is RUNNING on hosts/h1 for user/tenant-a\n");
  EXPECT_THAT(inn_.err, IsEmpty());
}

TEST_F(GuestCommandTest, SecurityOfAGuestIsShownBesideWhatWasAsked) {
  service_.security = [](const auto& request, v1::GuestSecurity* security) {
    security->set_guest(request.name());
    v1::GuestSecurity::Check* const check = security->add_checks();
    check->set_id("identity.uid");
    check->set_asked("1880000002");
    check->set_actual("0");
    check->set_verdict(v1::GuestSecurity::DIFFERENT);
    return grpc::Status::OK;
  };

  EXPECT_EQ(inn_.Run({"show", "web", "--security"}), 0) << inn_.err;
  EXPECT_THAT(inn_.out, HasSubstr("guests/web"));
  EXPECT_THAT(inn_.out, HasSubstr("! differs  identity.uid  1880000002  0\n"));
  EXPECT_EQ(inn_.Run({"show", "web", "--security", "-o", "json"}), 0);
  EXPECT_THAT(inn_.out, HasSubstr("\"verdict\": \"DIFFERENT\""));
}

TEST_F(GuestCommandTest, StepsAreToldOnATerminalOnly) {
  service_.start = [](const auto&, Operation* operation) {
    *operation = Pending("start", "spawning");
    return grpc::Status::OK;
  };
  service_.wait_operation = [](const auto&, Operation* operation) {
    *operation = DoneWith(Pending("start", ""), v1::Guest::RUNNING);
    return grpc::Status::OK;
  };
  inn_.error_is_terminal = true;
  EXPECT_EQ(inn_.Run({"start", "web"}), 0);
  EXPECT_EQ(inn_.err, "start of guests/web: spawning\n");
  EXPECT_EQ(inn_.Run({"start", "web", "-q"}), 0);
  EXPECT_THAT(inn_.err, IsEmpty());
  EXPECT_THAT(inn_.out, IsEmpty());
}

TEST_F(GuestCommandTest, NoWaitAnswersTheNameOfTheOperation) {
  service_.stop = [](const auto&, Operation* operation) {
    *operation = Pending("stop", "");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"stop", "web", "--no-wait"}), 0);
  EXPECT_EQ(inn_.out, "operations/o1: stop of guests/web\n");
  EXPECT_EQ(inn_.Run({"stop", "web", "--no-wait", "-o", "name"}), 0);
  EXPECT_EQ(inn_.out, "operations/o1\n");
}

TEST_F(GuestCommandTest, TimeoutSaysWhatWasWaitedForAndWhatIs) {
  service_.reboot = [](const auto&, Operation* operation) {
    *operation = Pending("reboot", "resetting");
    return grpc::Status::OK;
  };
  service_.wait_operation = [](const auto&, Operation* operation) {
    *operation = Pending("reboot", "resetting");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"reboot", "web", "--timeout", "20ms"}), 6);
  EXPECT_THAT(inn_.err,
              HasSubstr("inn: reboot: timed out after 20ms waiting for the "
                        "reboot of guests/web; it is at 'resetting' and goes "
                        "on as operations/o1; try: inn op wait o1\n"));
}

TEST_F(GuestCommandTest, InterruptLeavesTheOperationAndNamesIt) {
  service_.start = [](const auto&, Operation* operation) {
    *operation = Pending("start", "spawning");
    return grpc::Status::OK;
  };
  service_.wait_operation = [&](const auto&, Operation* operation) {
    inn_.interrupt.Raise();
    *operation = Pending("start", "spawning");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"start", "web"}), 1);
  EXPECT_THAT(inn_.err, HasSubstr("the start of guests/web goes on as "
                                  "operations/o1; try: inn op wait o1"));
}

TEST_F(GuestCommandTest, FailedOperationIsItsErrorAndItsExitCode) {
  service_.start = [](const auto&, Operation* operation) {
    *operation = Pending("start", "");
    operation->set_done(true);
    operation->mutable_error()->set_code(grpc::FAILED_PRECONDITION);
    operation->mutable_error()->set_message("volume is held by guest 'db'");
    google::rpc::ErrorInfo info;
    info.set_reason("IMAGE_IN_USE");
    operation->mutable_error()->add_details()->PackFrom(info);
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"start", "web"}), 7);
  EXPECT_EQ(inn_.err,
            "inn: start: volume is held by guest 'db'\n"
            "reason: IMAGE_IN_USE\n"
            "try: inn explain IMAGE_IN_USE\n");
}

TEST_F(GuestCommandTest, UnavailableServiceIsAskedAgainWithTheSameId) {
  std::vector<std::string> ids;
  service_.start = [&](const v1::StartGuestRequest& request,
                       Operation* operation) {
    ids.push_back(request.request_id());
    if (ids.size() < 3) return grpc::Status(grpc::UNAVAILABLE, "restarting");
    *operation = DoneWith(Pending("start", ""), v1::Guest::RUNNING);
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"start", "web"}), 0) << inn_.err;
  ASSERT_THAT(ids, SizeIs(3));
  EXPECT_THAT(ids[0], SizeIs(36));
  EXPECT_THAT(ids, ElementsAre(ids[0], ids[0], ids[0]));
}

TEST_F(GuestCommandTest, RetriesAreBounded) {
  int calls = 0;
  service_.launch = [&](const auto&, Operation*) {
    ++calls;
    return grpc::Status(grpc::UNAVAILABLE, "restarting");
  };
  EXPECT_EQ(inn_.Run({"launch", "web"}), 3);
  EXPECT_EQ(calls, 5);
  EXPECT_THAT(inn_.err, HasSubstr("--request-id "));
}

TEST_F(GuestCommandTest, CallsWithoutAnIdAndOtherErrorsAreNotRepeated) {
  int calls = 0;
  service_.get = [&](const auto&, v1::Guest*) {
    ++calls;
    return grpc::Status(grpc::UNAVAILABLE, "restarting");
  };
  service_.start = [&](const auto&, Operation*) {
    ++calls;
    return grpc::Status(grpc::ABORTED, "busy");
  };
  EXPECT_EQ(inn_.Run({"show", "web"}), 3);
  EXPECT_EQ(inn_.Run({"start", "web"}), 7);
  EXPECT_EQ(calls, 2);
}

TEST_F(GuestCommandTest, EveryGuestIsTriedAndEachFailureTold) {
  service_.pause = [](const v1::PauseGuestRequest& request, v1::Guest* guest) {
    if (request.name() == "guests/web") {
      *guest = Web(v1::Guest::PAUSED);
      return grpc::Status::OK;
    }
    return Reason(grpc::NOT_FOUND, "GUEST_NOT_FOUND",
                  request.name() + " does not exist");
  };
  EXPECT_EQ(inn_.Run({"pause", "a", "web", "b"}), 4);
  EXPECT_EQ(inn_.out, "guests/web is PAUSED on hosts/h1 for user/tenant-a\n");
  EXPECT_THAT(inn_.err, HasSubstr("guests/a does not exist"));
  EXPECT_THAT(inn_.err, HasSubstr("guests/b does not exist"));
}

TEST_F(GuestCommandTest, DeleteAsksOnATerminalAndTakesNoForAnAnswer) {
  inn_.input_is_terminal = true;
  inn_.input = "n\n";
  EXPECT_EQ(inn_.Run({"delete", "web"}), 1);
  EXPECT_THAT(inn_.err, StartsWith("delete web? [y/N] "));
  EXPECT_THAT(service_.requests(), IsEmpty());
}

TEST_F(GuestCommandTest, DeleteGoesAheadAfterYes) {
  service_.remove = [](const auto&, Operation* operation) {
    *operation = Pending("delete", "");
    operation->set_done(true);
    operation->mutable_response()->PackFrom(google::protobuf::Empty());
    return grpc::Status::OK;
  };
  inn_.input_is_terminal = true;
  inn_.input = "y\n";
  EXPECT_EQ(inn_.Run({"delete", "web"}), 0) << inn_.err;
  EXPECT_EQ(inn_.out, "guests/web is deleted\n");
}

TEST_F(GuestCommandTest, ForcedDeleteStopsFirstAndWaitsForIt) {
  service_.stop = [](const auto&, Operation* operation) {
    *operation = Pending("stop", "");
    return grpc::Status::OK;
  };
  service_.wait_operation = [](const auto&, Operation* operation) {
    *operation = DoneWith(Pending("stop", ""), v1::Guest::STOPPED);
    return grpc::Status::OK;
  };
  service_.remove = [](const auto&, Operation* operation) {
    *operation = Pending("delete", "");
    operation->set_done(true);
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"delete", "web", "--force", "--yes"}), 0) << inn_.err;
  EXPECT_THAT(service_.requests(),
              ElementsAre(StartsWith("StopGuestRequest"),
                          StartsWith("WaitOperationRequest"),
                          StartsWith("DeleteGuestRequest")));
  EXPECT_THAT(service_.requests()[0], HasSubstr("force: true"));
}

TEST_F(GuestCommandTest, ForcedDeleteOfAStoppedGuestGoesAhead) {
  service_.stop = [](const auto&, Operation*) {
    return Reason(grpc::FAILED_PRECONDITION, "GUEST_NOT_RUNNING", "stopped");
  };
  service_.remove = [](const auto&, Operation* operation) {
    operation->set_done(true);
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"delete", "web", "-f", "-y"}), 0) << inn_.err;
}

TEST_F(GuestCommandTest, ForcedDeleteGivesUpWhereTheStopIsDenied) {
  service_.stop = [](const auto&, Operation*) {
    return Reason(grpc::PERMISSION_DENIED, "PERMISSION_DENIED", "not yours");
  };
  EXPECT_EQ(inn_.Run({"delete", "web", "-f", "-y"}), 5);
  EXPECT_THAT(inn_.err, HasSubstr("stopping it first: not yours"));
  EXPECT_THAT(service_.requests(), SizeIs(1));
}

TEST_F(GuestCommandTest, ShowTellsEverythingNeutralised) {
  service_.get = [](const auto&, v1::Guest* guest) {
    *guest = Web(v1::Guest::FAILED);
    guest->set_state_message("\x1b[2Jowned");
    guest->mutable_spec()->set_vcpu_count(2);
    guest->mutable_spec()->set_memory_bytes(int64_t{1} << 30);
    auto* disk = guest->mutable_spec()->add_disks();
    disk->set_volume("pools/main/volumes/root");
    disk->set_format(v1::GuestSpec::Disk::RAW);
    disk->set_mode(v1::GuestSpec::Disk::READ_WRITE);
    auto* layer = disk->add_backing();
    layer->set_volume("pools/main/volumes/base");
    layer->set_format(v1::GuestSpec::Disk::QCOW2);
    disk->set_device(v1::GuestSpec::Disk::CDROM);
    guest->mutable_exit()->set_signal(9);
    guest->mutable_exit()->set_error_text("bad\r\n\x07");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"show", "web"}), 0) << inn_.err;
  EXPECT_EQ(inn_.out,
            "Name:        guests/web\n"
            "Owner:       user/tenant-a\n"
            "Host:        hosts/h1\n"
            "State:       FAILED\n"
            "Message:     \\x1b[2Jowned\n"
            "Machine:     q35\n"
            "VCPUs:       2\n"
            "Memory:      1G\n"
            "Disk:        pools/main/volumes/root RAW READ_WRITE CDROM, over "
            "pools/main/volumes/base QCOW2\n"
            "Last exit:   signal 9\n"
            "Last words:  bad\\r\\n\\x07\n");
}

TEST_F(GuestCommandTest, DryRunChangesNothingAndSaysSo) {
  service_.launch = [](const v1::LaunchGuestRequest& request,
                       Operation* operation) {
    EXPECT_TRUE(request.validate_only());
    *operation = DoneWith(Pending("launch", ""), v1::Guest::STARTING);
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"launch", "web", "--dry-run"}), 0);
  EXPECT_EQ(inn_.out, "guests/web could be launched; nothing was done\n");
}

TEST_F(GuestCommandTest, ExplainOfAReasonAsksNobody) {
  EXPECT_EQ(inn_.Run({"explain", "GUEST_BUSY"}), 0);
  EXPECT_EQ(inn_.out,
            "GUEST_BUSY: Another operation is changing the guest. Wait for "
            "it.\n");
  EXPECT_THAT(service_.requests(), IsEmpty());
}

TEST_F(GuestCommandTest, ExplainOfALaunchSaysWhyHostsLost) {
  service_.explain = [](const auto&, v1::ExplainLaunchResponse* response) {
    auto* winner = response->add_candidates();
    winner->set_host("hosts/h1");
    winner->set_fits(true);
    winner->set_score(0.75);
    auto* loser = response->add_candidates();
    loser->set_host("hosts/h2");
    loser->add_reasons("is cordoned");
    loser->add_reasons("has 1G free");
    response->set_host("hosts/h1");
    response->add_argv("qemu-system-x86_64");
    response->add_argv("-append");
    response->add_argv("it's quiet");
    response->add_steps("drop privileges");
    auto* verdict = response->add_plugins();
    verdict->set_plugin("policy");
    verdict->set_stage("admit");
    verdict->set_verdict("patch");
    verdict->add_details("label project = x");
    verdict->add_details("vcpu_count = 1 (was 2)");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"explain", "web"}), 0) << inn_.err;
  EXPECT_EQ(inn_.out,
            "HOST  FITS  SCORE  WHY\n"
            "h1    yes   0.75   -\n"
            "h2    no    -      is cordoned; has 1G free\n"
            "\n"
            "Host: hosts/h1\n"
            "Command line:\n"
            "  qemu-system-x86_64 -append 'it'\\''s quiet'\n"
            "Steps:\n"
            "  drop privileges\n"
            "Plugins:\n"
            "  policy at admit: patch (label project = x; vcpu_count = 1 (was "
            "2))\n"
            "The launch would go ahead.\n");
}

TEST_F(GuestCommandTest, ExplainOfALaunchWithoutAHostHasNoCommandLine) {
  service_.explain = [](const auto&, v1::ExplainLaunchResponse* response) {
    response->add_refusals("no host fits: h1: network: lacks lan");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"explain", "web"}), 0) << inn_.err;
  EXPECT_EQ(inn_.out,
            "In the way:\n"
            "  no host fits: h1: network: lacks lan\n");
}

}  // namespace
}  // namespace innkeeper
