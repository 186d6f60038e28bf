// Real guests on a real host: Linux boots, keeps what it writes, stops.
#include <string>

#include "absl/strings/match.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/console.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

struct Case {
  std::string name;
  v1::GuestSpec::Machine machine;
  std::string machine_type;  // How it begins.
};

class RealGuestTest : public testing::TestWithParam<Case> {
 protected:
  // Linux on the machine of the case, with disk.raw.
  static v1::LaunchGuestRequest Linux(const std::string& id,
                                      v1::GuestSpec::Disk::Mode mode) {
    v1::LaunchGuestRequest request = LinuxGuest(id, "user/tenant-a");
    v1::GuestSpec* spec = request.mutable_guest()->mutable_spec();
    spec->set_machine(GetParam().machine);
    spec->mutable_disks(0)->set_mode(mode);
    return request;
  }

  void SetUp() override {
    ASSERT_THAT(lab_.AddTestGuest(), IsOk());
    ASSERT_THAT(lab_.Start(), IsOk());
  }

  Lab lab_;
};

TEST_P(RealGuestTest, BootsKeepsItsDiskStopsStartsAndGoes) {
  const Caller owner = lab_.As("user/tenant-a");
  ASSERT_THAT(
      owner.Finish(owner.Launch(Linux("web", v1::GuestSpec::Disk::READ_WRITE))),
      IsOk());
  {
    Console console(owner, "web");
    ASSERT_TRUE(console.Await("disk marker: innkeeper-test-disk"))
        << console.output();
    ASSERT_TRUE(console.Await("guest# "));
    console.Type("mark kept across a reboot");
    ASSERT_TRUE(console.Await("marked: kept across a reboot"))
        << console.output();
    const absl::StatusOr<v1::Guest> before = owner.Get("web");
    ASSERT_THAT(before, IsOk());

    ASSERT_THAT(owner.Finish(owner.Reboot("web")), IsOk());

    ASSERT_TRUE(console.Await("INNKEEPER-GUEST-UP")) << console.output();
    ASSERT_TRUE(console.Await("note: kept across a reboot"))
        << console.output();
    ASSERT_TRUE(console.Await("guest# "));
    const absl::StatusOr<v1::Guest> guest = owner.Get("web");
    ASSERT_THAT(guest, IsOk());
    EXPECT_EQ(guest->state(), v1::Guest::RUNNING);
    EXPECT_EQ(guest->process().pid(), before->process().pid());
    EXPECT_TRUE(
        absl::StartsWith(guest->machine_type(), GetParam().machine_type))
        << guest->machine_type();
  }

  ASSERT_THAT(owner.Finish(owner.Stop("web", /*force=*/false)), IsOk());

  const absl::StatusOr<v1::Guest> stopped = owner.Get("web");
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->state(), v1::Guest::STOPPED);
  // It went by itself: nothing killed it.
  EXPECT_TRUE(stopped->exit().has_status()) << stopped->ShortDebugString();
  EXPECT_EQ(stopped->exit().status(), 0);
  lab_.CheckNothingLeft();

  ASSERT_THAT(owner.Finish(owner.Start("web")), IsOk());
  {
    Console console(owner, "web");
    EXPECT_TRUE(console.Await("note: kept across a reboot"))
        << console.output();
  }
  ASSERT_THAT(owner.Finish(owner.Stop("web", /*force=*/true)), IsOk());
  ASSERT_THAT(owner.Finish(owner.Delete("web")), IsOk());
  EXPECT_THAT(owner.Get("web"), StatusIs(absl::StatusCode::kNotFound));
  lab_.CheckNothingLeft();
}

INSTANTIATE_TEST_SUITE_P(
    Machines, RealGuestTest,
    testing::Values(Case{"Q35", v1::GuestSpec::Q35, "pc-q35-"},
                    Case{"Microvm", v1::GuestSpec::MICROVM, "microvm"}),
    [](const testing::TestParamInfo<Case>& info) { return info.param.name; });

}  // namespace
}  // namespace innkeeper
