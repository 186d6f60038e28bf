#include "agent/launcher/block_source.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(BlockSourceTest, ListNamesEachDeviceByWhatItKeeps) {
  const auto source = ParseBlockList(
      "# disks of the array\n"
      "\n"
      "root dm-uuid=LVM-abc\n"
      "  data.1   wwid=naa.600508b1001c\n"
      "log serial=S4 EVNX 0N\n"
      "swap dm-name=fast-swap\n"
      "test loop=/srv/a b=c.img\n");

  ASSERT_THAT(source, IsOk());
  EXPECT_THAT(source->volume_group, IsEmpty());
  ASSERT_THAT(source->volumes, SizeIs(5));
  EXPECT_EQ(source->volumes.at("root").kind, DeviceSelector::Kind::kDmUuid);
  EXPECT_EQ(source->volumes.at("root").value, "LVM-abc");
  EXPECT_EQ(source->volumes.at("data.1").value, "naa.600508b1001c");
  EXPECT_EQ(source->volumes.at("log").value, "S4 EVNX 0N");
  EXPECT_EQ(source->volumes.at("test").kind, DeviceSelector::Kind::kLoop);
  EXPECT_EQ(source->volumes.at("test").value, "/srv/a b=c.img");
}

TEST(BlockSourceTest, MalformedListIsRefusedByItsLine) {
  for (const char* line :
       {"root", "root dm-uuid", "root dm-uuid=", "../x dm-uuid=a",
        "-x dm-uuid=a", "x name=sda", "x /dev/sda", "x,y wwid=a", "a wwid=1",
        "b serial=9"}) {
    EXPECT_THAT(ParseBlockList(absl::StrCat("a serial=9\n#\n", line, "\n")),
                AllOf(HasReason(reason::kConfigInvalid),
                      StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("line 3"))))
        << line;
  }
  EXPECT_THAT(ParseBlockList("# nothing\n"), HasReason(reason::kConfigInvalid));
}

TEST(BlockSourceTest, ListIsBounded) {
  std::string list;
  for (size_t i = 0; i < kMaxBlockListVolumes; ++i) {
    absl::StrAppend(&list, "v", i, " wwid=", i, "\n");
  }
  EXPECT_THAT(ParseBlockList(list), IsOk());
  EXPECT_THAT(ParseBlockList(list + "more wwid=x\n"),
              HasReason(reason::kConfigInvalid));
}

TEST(BlockSourceTest, VolumeGroupIsNamed) {
  const auto source = ReadBlockSource("vg:fast-disks");
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ(source->volume_group, "fast-disks");
  for (const char* text : {"vg:", "vg:..", "vg:-x", "vg:a/b", "vg:a b"}) {
    EXPECT_THAT(ReadBlockSource(text), HasReason(reason::kConfigInvalid))
        << text;
  }
}

TEST(BlockSourceTest, ListIsReadFromItsFile) {
  const std::string path = absl::StrCat(testing::TempDir(), "/list");
  ASSERT_THAT(WriteFileAtomically(path, "a wwid=1\n", 0600), IsOk());
  EXPECT_THAT(ReadBlockSource(path), IsOk());
  ASSERT_THAT(WriteFileAtomically(path, "a\n", 0600), IsOk());
  EXPECT_THAT(ReadBlockSource(path),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
  EXPECT_FALSE(ReadBlockSource(path + ".no").ok());
  EXPECT_THAT(ReadBlockSource("list"), HasReason(reason::kConfigInvalid));
  EXPECT_THAT(ReadBlockSource(""), HasReason(reason::kConfigInvalid));
}

}  // namespace
}  // namespace innkeeper
