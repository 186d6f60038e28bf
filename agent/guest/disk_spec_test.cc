#include "agent/guest/disk_spec.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr DiskFormat kRaw = DiskFormat::kRaw;
constexpr DiskFormat kQcow2 = DiskFormat::kQcow2;

// A disk over two layers, one over none, and a CD-ROM.
std::vector<DiskSpec> Disks() {
  return {{{"p", "root"},
           kQcow2,
           DiskMode::kReadWrite,
           "",
           {{{"p", "mid"}, kQcow2}, {{"q", "base"}, kRaw}}},
          {{"p", "data"}, kRaw, DiskMode::kReadWrite, ""},
          {{"p", "cd"}, kRaw, DiskMode::kReadOnly, "", {}, DiskDevice::kCdrom}};
}

std::vector<std::string> FaultyFields(const std::vector<DiskSpec>& disks,
                                      bool q35 = true) {
  std::vector<std::string> fields;
  for (const FieldViolation& fault : FindDiskFaults(disks, q35)) {
    EXPECT_FALSE(fault.description.empty());
    fields.push_back(fault.field);
  }
  return fields;
}

TEST(DiskSpecTest, LayersAndACdromAreValid) {
  EXPECT_THAT(FaultyFields(Disks()), IsEmpty());
}

TEST(DiskSpecTest, EachBadValueIsRefusedByItsField) {
  using Spoil = std::function<void(std::vector<DiskSpec>&)>;
  struct Case {
    const char* field;
    Spoil spoil;
  };
  const Case cases[] = {
      {"disks[0].backing[0].volume",
       [](auto& d) { d[0].backing[0].volume.volume = "../shadow"; }},
      {"disks[0].backing[1].volume",
       [](auto& d) { d[0].backing[1].volume.pool = ""; }},
      {"disks[0].backing[0].format",
       [](auto& d) { d[0].backing[0].format = static_cast<DiskFormat>(0); }},
      {"disks[0].backing[1].format",
       [](auto& d) { d[0].backing[1].format = static_cast<DiskFormat>(3); }},
      // A loop, near and far.
      {"disks[0].backing[0].volume",
       [](auto& d) { d[0].backing[0].volume = d[0].volume; }},
      {"disks[0].backing[1].volume",
       [](auto& d) { d[0].backing[1].volume = d[0].backing[0].volume; }},
      // What one disk writes, another one has beneath it.
      {"disks[1].volume",
       [](auto& d) { d[1].volume = d[0].backing[1].volume; }},
      {"disks[0].backing[0]", [](auto& d) { d[0].format = kRaw; }},
      {"disks[0].backing[1]", [](auto& d) { d[0].backing[0].format = kRaw; }},
      {"disks[1].backing[0]",
       [](auto& d) {
         d[1].backing = {{{"p", "x"}, kRaw}};
       }},
      {"disks[2].device",
       [](auto& d) { d[2].device = static_cast<DiskDevice>(3); }},
      {"disks[2].device", [](auto& d) { d[2].format = kQcow2; }},
      {"disks[2].device", [](auto& d) { d[2].mode = DiskMode::kReadWrite; }},
      {"disks[2].device", [](auto& d) { d[2].mode = DiskMode::kEphemeral; }},
      {"disks", [](auto& d) { d.resize(9); }},
  };
  for (const Case& c : cases) {
    std::vector<DiskSpec> disks = Disks();
    c.spoil(disks);
    EXPECT_THAT(FaultyFields(disks), ElementsAre(c.field));
  }
}

TEST(DiskSpecTest, AllFaultsAreToldAtOnce) {
  std::vector<DiskSpec> disks = Disks();
  disks[0].backing[0].volume.volume = "/etc/shadow";
  disks[0].backing[1].volume = disks[0].volume;
  disks[1].mode = static_cast<DiskMode>(0);
  disks[2].format = kQcow2;

  EXPECT_THAT(
      FaultyFields(disks),
      ElementsAre("disks[0].backing[0].volume", "disks[0].backing[1].volume",
                  "disks[1].mode", "disks[2].device"));
}

TEST(DiskSpecTest, ABaseThatNobodyWritesServesManyDisks) {
  std::vector<DiskSpec> disks = Disks();
  disks[1] = disks[0];
  disks[1].volume.volume = "other";

  EXPECT_THAT(FaultyFields(disks), IsEmpty());
}

TEST(DiskSpecTest, LayersAreBoundedForADiskAndForAllOfThem) {
  const auto add = [](DiskSpec& disk, const std::string& name, size_t count) {
    disk.backing.clear();
    for (size_t i = 0; i < count; ++i) {
      disk.backing.push_back({{"p", absl::StrCat(name, i)}, kQcow2});
    }
  };
  std::vector<DiskSpec> disks = Disks();
  add(disks[0], "a", kMaxLayers);
  EXPECT_THAT(FaultyFields(disks), IsEmpty());
  add(disks[0], "a", kMaxLayers + 1);
  EXPECT_THAT(FaultyFields(disks), ElementsAre("disks[0].backing"));

  disks = std::vector<DiskSpec>(3, Disks()[0]);
  for (size_t i = 0; i < disks.size(); ++i) {
    disks[i].volume.volume = absl::StrCat("top", i);
    add(disks[i], absl::StrCat("layer", i, "-"), kMaxDiskVolumes / 3 - 1);
  }
  EXPECT_THAT(FaultyFields(disks), IsEmpty());
  add(disks[2], "more", kMaxDiskVolumes / 3);
  EXPECT_THAT(FaultyFields(disks), ElementsAre("disks"));
}

TEST(DiskSpecTest, CdromsNeedTheChipsetAndItsPorts) {
  EXPECT_THAT(FaultyFields(Disks(), false), ElementsAre("disks[2].device"));

  std::vector<DiskSpec> cdroms(kMaxCdroms + 2, Disks()[2]);

  EXPECT_THAT(FaultyFields(cdroms), ElementsAre("disks[6].device"));
}

TEST(DiskSpecTest, AFaultSaysWhichOtherVolumeIsMeant) {
  std::vector<DiskSpec> disks = Disks();
  disks[0].backing[1].volume = disks[1].volume;

  const std::vector<FieldViolation> faults = FindDiskFaults(disks, true);

  ASSERT_EQ(faults.size(), size_t{1});
  EXPECT_THAT(
      faults[0].description,
      AllOf(HasSubstr("disks[0].backing[1].volume"), HasSubstr("read_write")));
}

}  // namespace
}  // namespace innkeeper
