#include "cli/command/remote_command.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/uuid.h"
#include "cli/testing/fake_service.h"
#include "cli/testing/inn_run.h"
#include "gmock/gmock.h"
#include "grpcpp/support/status.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/hosts.pb.h"
#include "innkeeper/v1/policy.pb.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class RemoteCommandTest : public testing::Test {
 protected:
  RemoteCommandTest() {
    inn_.variables = {
        {"HOME", absl::StrCat(testing::TempDir(), "/", MakeUuid())}};
    service_.who_am_i = [](const auto&, v1::WhoAmIResponse* response) {
      response->set_answered_by("server/lab");
      response->set_principal("user/alice");
      response->set_version("0.1.0");
      return grpc::Status::OK;
    };
  }

  FakeService service_;
  InnRun inn_;
};

TEST_F(RemoteCommandTest, FirstRemoteIsTheOneInUse) {
  EXPECT_EQ(inn_.Run({"remote", "add", "lab", service_.address()}), 0)
      << inn_.err;
  EXPECT_EQ(
      inn_.Run({"remote", "add", "far", "far:7443", "--cert", "/c.pem", "--key",
                "/k.pem", "--ca", "/ca.pem", "--server-name", "server/far"}),
      0)
      << inn_.err;
  EXPECT_EQ(inn_.Run({"remote", "list", "-o", "name"}), 0);
  EXPECT_EQ(inn_.out, "far\nlab\n");
  EXPECT_EQ(inn_.Run({"remote", "test"}), 0) << inn_.err;
  EXPECT_THAT(inn_.out, StartsWith("server/lab answers user/alice within "));
}

TEST_F(RemoteCommandTest, ListIsATable) {
  inn_.Run({"remote", "add", "lab", "lab:1", "--cert", "/c.pem"});
  EXPECT_EQ(inn_.Run({"remote", "ls"}), 0);
  EXPECT_EQ(inn_.out,
            "NAME  ADDRESS  SERVER  CERTIFICATE  IN USE\n"
            "lab   lab:1    -       /c.pem       yes\n");
}

TEST_F(RemoteCommandTest, RelativeFilesAreFoundFromAnywhere) {
  inn_.Run({"remote", "add", "lab", "lab:1", "--cert", "c.pem"});
  EXPECT_EQ(inn_.Run({"remote", "list", "-o", "json"}), 0);
  EXPECT_THAT(inn_.out, HasSubstr("/c.pem\""));
}

TEST_F(RemoteCommandTest, RemoteIsReplacedOnlyWhenAsked) {
  inn_.Run({"remote", "add", "lab", "lab:1"});
  EXPECT_EQ(inn_.Run({"remote", "add", "lab", "lab:2"}), 7);
  EXPECT_THAT(inn_.err, HasSubstr("try: --replace"));
  EXPECT_EQ(inn_.Run({"remote", "add", "lab", "lab:2", "--replace"}), 0);
}

TEST_F(RemoteCommandTest, UseAndRemoveNeedOneThatIsThere) {
  EXPECT_EQ(inn_.Run({"remote", "use", "lab"}), 4);
  EXPECT_EQ(inn_.Run({"remote", "remove", "lab"}), 4);
  inn_.Run({"remote", "add", "lab", "unix:/none"});
  inn_.Run({"remote", "add", "other", service_.address()});
  EXPECT_EQ(inn_.Run({"remote", "use", "other"}), 0);
  EXPECT_EQ(inn_.Run({"whoami", "-o", "name"}), 0) << inn_.err;
  EXPECT_EQ(inn_.out, "user/alice\n");
  EXPECT_EQ(inn_.Run({"remote", "remove", "other"}), 0);
  EXPECT_EQ(inn_.Run({"whoami"}), 2);
  EXPECT_THAT(inn_.err, HasSubstr("inn remote add"));
}

TEST_F(RemoteCommandTest, ServiceThatIsNotThereIsUnreachable) {
  inn_.variables["INN_ADDRESS"] = "unix:/tmp/no-such-inn.sock";
  EXPECT_EQ(inn_.Run({"whoami"}), 3);
  EXPECT_THAT(inn_.err, HasSubstr("try: inn doctor\n"));
}

TEST_F(RemoteCommandTest, DoctorFindsTheServiceAndSaysWhoItIs) {
  inn_.variables["INN_ADDRESS"] = service_.address();
  service_.list_hosts = [](const auto&, v1::ListHostsResponse* response) {
    v1::Host* host = response->add_hosts();
    host->set_name("hosts/h1");
    host->set_state(v1::Host::UP);
    host->mutable_acceleration()->set_kvm(true);
    host->mutable_acceleration()->set_reason("a guest ran within 80 ms");
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"doctor"}), 0) << inn_.err;
  EXPECT_EQ(
      inn_.out,
      absl::StrCat(
          "ok    certificates: not needed on a unix socket\n",
          "ok    listener: ", service_.address(), " accepts connections\n",
          "ok    service: server/lab (version 0.1.0) knows you as "
          "user/alice\n",
          "warn  roles: you have none there; have an administrator bind "
          "one\n",
          "ok    hosts/h1: KVM works: a guest ran within 80 ms\n"));
}

TEST_F(RemoteCommandTest, DoctorFailsWhereAHostIsAway) {
  inn_.variables["INN_ADDRESS"] = service_.address();
  service_.list_hosts = [](const auto&, v1::ListHostsResponse* response) {
    v1::Host* host = response->add_hosts();
    host->set_name("hosts/h2");
    host->set_state(v1::Host::UNREACHABLE);
    return grpc::Status::OK;
  };
  EXPECT_EQ(inn_.Run({"doctor"}), 1);
  EXPECT_THAT(inn_.out, HasSubstr("fail  hosts/h2: has not answered"));
}

TEST_F(RemoteCommandTest, DoctorFailsWhereNobodyListens) {
  inn_.variables["INN_ADDRESS"] = "unix:/tmp/no-such-inn.sock";
  EXPECT_EQ(inn_.Run({"doctor"}), 1);
  EXPECT_THAT(inn_.out, HasSubstr("fail  listener: /tmp/no-such-inn.sock: No "
                                  "such file or directory; look whether"));
}

}  // namespace
}  // namespace innkeeper
