#include "agent/host/qemu_probe.h"

#include "absl/status/status.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(QemuProbeTest, VersionIsTheNumberAlone) {
  EXPECT_EQ(ParseQemuVersion("QEMU emulator version 7.2.22 (Debian 1:7.2)\n"),
            "7.2.22");
  EXPECT_EQ(ParseQemuVersion("GNU bash, version 5.2\n"), "");
}

TEST(QemuProbeTest, NewestMachineTypeComesFirst) {
  EXPECT_THAT(
      ParseMachineTypes("Supported machines are:\n"
                        "microvm              microvm (i386)\n"
                        "pc-q35-5.2           Standard PC\n"
                        "pc-q35-10.0          Standard PC\n"
                        "pc-q35-7.2           Standard PC\n"
                        "none                 empty machine\n"),
      ElementsAre("pc-q35-10.0", "pc-q35-7.2", "pc-q35-5.2", "microvm"));
}

TEST(QemuProbeTest, TheInstalledOneIsRecognised) {
  const absl::StatusOr<QemuFacts> facts =
      ProbeQemu("/usr/bin/qemu-system-x86_64");

  ASSERT_THAT(facts, IsOk());
  EXPECT_THAT(facts->machine_types, Contains(StartsWith("pc-q35-")));
  EXPECT_THAT(facts->machine_types, Contains("microvm"));
}

TEST(QemuProbeTest, AnotherProgramIsRefusedByName) {
  EXPECT_THAT(
      ProbeQemu("/bin/true"),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/bin/true")));
}

}  // namespace
}  // namespace innkeeper
