// Guests with UEFI on a real host: what they keep, and how long.
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/console.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::Not;

class FirmwareGuestTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(lab_.AddTestGuest(), IsOk());
    ASSERT_THAT(lab_.Start(), IsOk());
  }

  std::string Variables(const v1::Guest& guest) const {
    return absl::StrCat(lab_.StateDir(guest.uid()), "/variables");
  }

  Lab lab_;
};

TEST_F(FirmwareGuestTest, BootsByUefiAndKeepsItsVariablesUntilItIsDeleted) {
  const Caller owner = lab_.As("user/tenant-a");
  v1::LaunchGuestRequest request = LinuxGuest("web", "user/tenant-a");
  request.mutable_guest()->mutable_spec()->set_firmware(v1::GuestSpec::UEFI);
  ASSERT_THAT(owner.Finish(owner.Launch(request)), IsOk());
  {
    Console console(owner, "web");
    ASSERT_TRUE(console.Await("guest# ")) << console.output();
    console.Type("test -d /sys/firmware/efi && echo by-$((1))-uefi");
    EXPECT_TRUE(console.Await("by-1-uefi")) << console.output();
  }
  const absl::StatusOr<v1::Guest> guest = owner.Get("web");
  ASSERT_THAT(guest, IsOk());
  EXPECT_EQ(guest->spec().firmware(), v1::GuestSpec::UEFI);
  ASSERT_THAT(owner.Finish(owner.Stop("web", /*force=*/false)), IsOk());
  lab_.CheckNothingLeft();
  const absl::StatusOr<std::string> kept = ReadFile(Variables(*guest), 1 << 22);
  ASSERT_THAT(kept, IsOk());
  // The firmware has noted its boot entries.
  EXPECT_NE(*kept, *ReadFile("/usr/share/OVMF/OVMF_VARS_4M.fd", 1 << 22));

  ASSERT_THAT(owner.Finish(owner.Start("web")), IsOk());
  {
    Console console(owner, "web");
    EXPECT_TRUE(console.Await("INNKEEPER-GUEST-UP")) << console.output();
  }
  ASSERT_THAT(owner.Finish(owner.Stop("web", /*force=*/true)), IsOk());
  EXPECT_TRUE(fs::exists(Variables(*guest)));
  ASSERT_THAT(owner.Finish(owner.Delete("web")), IsOk());
  EXPECT_FALSE(fs::exists(lab_.StateDir(guest->uid())));
}

// There is nothing signed to boot here: that the firmware runs, and holds its
// flash chips closed to all but itself, is what can be seen.
TEST_F(FirmwareGuestTest, SecureBootRunsTheFirmwareAndTakesNoKernel) {
  const Caller owner = lab_.As("user/tenant-a");
  v1::LaunchGuestRequest request = LinuxGuest("safe", "user/tenant-a");
  v1::GuestSpec* spec = request.mutable_guest()->mutable_spec();
  spec->set_firmware(v1::GuestSpec::UEFI_SECURE_BOOT);
  EXPECT_THAT(owner.Launch(request),
              StatusIs(absl::StatusCode::kInvalidArgument));

  spec->clear_kernel();
  spec->clear_initrd();
  spec->clear_kernel_command_line();
  ASSERT_THAT(owner.Finish(owner.Launch(request)), IsOk());
  {
    Console console(owner, "safe");
    EXPECT_TRUE(console.Await("BdsDxe")) << console.output();
  }
  ASSERT_THAT(owner.Finish(owner.Stop("safe", /*force=*/true)), IsOk());
  ASSERT_THAT(owner.Finish(owner.Delete("safe")), IsOk());
}

TEST_F(FirmwareGuestTest, VariablesOutliveTheAgentsDatabase) {
  const Caller owner = lab_.As("user/tenant-a");
  v1::LaunchGuestRequest request = LinuxGuest("web", "user/tenant-a");
  request.mutable_guest()->mutable_spec()->set_firmware(v1::GuestSpec::UEFI);
  request.mutable_guest()->mutable_spec()->set_start_paused(true);
  ASSERT_THAT(owner.Finish(owner.Launch(request)), IsOk());
  const absl::StatusOr<v1::Guest> guest = owner.Get("web");
  ASSERT_THAT(guest, IsOk());
  ASSERT_THAT(owner.Finish(owner.Stop("web", /*force=*/true)), IsOk());

  lab_.KillAll();
  lab_.DeleteDatabase();
  ASSERT_THAT(lab_.Start(), IsOk());

  // Nobody knows the guest any more, and nobody may conclude that it is gone.
  EXPECT_TRUE(fs::exists(Variables(*guest)));
}

}  // namespace
}  // namespace innkeeper
