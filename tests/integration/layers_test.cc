// Real guests whose disks lie in layers, and one that boots from a CD-ROM.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/console.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;

constexpr size_t kMostBytes = size_t{128} << 20;
constexpr char kGreeting[] = "INNKEEPER-CD-UP\r\n";

class LayersTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(host_.AddTestGuest(), IsOk()); }

  std::string PathOf(const std::string& volume) const {
    return absl::StrCat(host_.pool_dir(), "/", volume);
  }
  std::string Content(const std::string& volume) const {
    return ReadFile(PathOf(volume), kMostBytes).value_or("unreadable");
  }
  // Runs `command` in the pool's directory.
  void Run(const std::string& command) const {
    ASSERT_EQ(
        system(absl::StrCat("cd ", host_.pool_dir(), " && ", command).c_str()),
        0)
        << command;
  }
  // top.qcow2 over mid.qcow2 over disk.raw, as qemu-img makes them.
  void MakeChain() const {
    Run("qemu-img create -q -f qcow2 -b disk.raw -F raw mid.qcow2");
    Run("qemu-img create -q -f qcow2 -b mid.qcow2 -F qcow2 top.qcow2");
  }
  static v1::LaunchGuestRequest Layered(v1::GuestSpec::Disk::Mode mode) {
    v1::LaunchGuestRequest request = LinuxGuest("web", "user/tenant-a");
    v1::GuestSpec::Disk& disk =
        *request.mutable_guest()->mutable_spec()->mutable_disks(0);
    disk.set_volume("pools/main/volumes/top.qcow2");
    disk.set_format(v1::GuestSpec::Disk::QCOW2);
    disk.set_mode(mode);
    v1::GuestSpec::Disk::Layer* layer = disk.add_backing();
    layer->set_volume("pools/main/volumes/mid.qcow2");
    layer->set_format(v1::GuestSpec::Disk::QCOW2);
    layer = disk.add_backing();
    layer->set_volume("pools/main/volumes/disk.raw");
    layer->set_format(v1::GuestSpec::Disk::RAW);
    return request;
  }
  // Boots, reads what the lowest layer holds, and writes.
  void BootAndMark(const Caller& owner, const v1::LaunchGuestRequest& request) {
    ASSERT_THAT(owner.Finish(owner.Launch(request)), IsOk());
    {
      Console console(owner, "web");
      ASSERT_TRUE(console.Await("disk marker: innkeeper-test-disk"))
          << console.output();
      ASSERT_TRUE(console.Await("guest# ")) << console.output();
      console.Type("mark layers work");
      ASSERT_TRUE(console.Await("marked: layers work")) << console.output();
    }
    // By the power button: QEMU writes what it holds of the image's tables.
    ASSERT_THAT(owner.Finish(owner.Stop("web", false)), IsOk());
  }

  Lab host_;
};

TEST_F(LayersTest, OnlyTheTopOfThreeLayersIsWritten) {
  MakeChain();
  const std::string base = Content("disk.raw");
  const std::string mid = Content("mid.qcow2");
  ASSERT_THAT(host_.Start(), IsOk());

  BootAndMark(host_.As("user/tenant-a"),
              Layered(v1::GuestSpec::Disk::READ_WRITE));

  EXPECT_TRUE(Content("disk.raw") == base);
  EXPECT_TRUE(Content("mid.qcow2") == mid);
  Run("qemu-img convert -O raw top.qcow2 whole.raw");
  EXPECT_THAT(Content("whole.raw").substr(512, 512),
              HasSubstr("note: layers work"));
}

TEST_F(LayersTest, NoLayerOfAnEphemeralDiskIsWritten) {
  MakeChain();
  const std::string base = Content("disk.raw");
  const std::string mid = Content("mid.qcow2");
  const std::string top = Content("top.qcow2");
  ASSERT_THAT(host_.Start(), IsOk());

  BootAndMark(host_.As("user/tenant-a"),
              Layered(v1::GuestSpec::Disk::EPHEMERAL));

  EXPECT_TRUE(Content("disk.raw") == base);
  EXPECT_TRUE(Content("mid.qcow2") == mid);
  EXPECT_TRUE(Content("top.qcow2") == top);
}

TEST_F(LayersTest, LayersThatTheImagesDenyAreRefused) {
  MakeChain();
  ASSERT_THAT(host_.Start(), IsOk());
  const Caller owner = host_.As("user/tenant-a");
  v1::LaunchGuestRequest undeclared = Layered(v1::GuestSpec::Disk::READ_WRITE);
  undeclared.mutable_guest()->mutable_spec()->mutable_disks(0)->clear_backing();
  v1::LaunchGuestRequest another = Layered(v1::GuestSpec::Disk::READ_WRITE);
  another.mutable_guest()
      ->mutable_spec()
      ->mutable_disks(0)
      ->mutable_backing(1)
      ->set_volume("pools/main/volumes/base.qcow2");

  for (const v1::LaunchGuestRequest& request : {undeclared, another}) {
    const absl::Status refused = owner.Finish(owner.Launch(request));

    EXPECT_THAT(refused, HasReason(reason::kImageUnsupported));
    EXPECT_THAT(owner.Get("web"), StatusIs(absl::StatusCode::kNotFound));
  }
}

void PutLittle(std::string& bytes, size_t offset, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    bytes[offset + i] = static_cast<char>(value >> (8 * i));
  }
}

// An image that boots by El Torito without emulation (ISO 9660 with a boot
// record in sector 17) and writes kGreeting to the first serial port.
std::string MakeBootableCd() {
  constexpr size_t kSector = 2048;
  constexpr size_t kCatalog = 19;
  constexpr size_t kBoot = 20;
  std::string cd(64 * kSector, '\0');
  cd.replace(16 * kSector, 7, std::string("\1CD001\1", 7));
  cd.replace(17 * kSector, 7, std::string("\0CD001\1", 7));
  cd.replace(17 * kSector + 7, 23, "EL TORITO SPECIFICATION");
  PutLittle(cd, 17 * kSector + 0x47, kCatalog, 4);
  cd.replace(18 * kSector, 7,
             std::string("\xff"
                         "CD001\1",
                         7));
  // The validation entry, whose words sum up to 0, and the initial entry.
  const size_t catalog = kCatalog * kSector;
  cd[catalog] = 1;
  PutLittle(cd, catalog + 0x1c, 0x10000 - 0xaa55 - 1, 2);
  PutLittle(cd, catalog + 0x1e, 0xaa55, 2);
  PutLittle(cd, catalog + 0x20, 0x88, 1);
  PutLittle(cd, catalog + 0x26, 4, 2);
  PutLittle(cd, catalog + 0x28, kBoot, 4);
  // cli; xor ax,ax; mov ds,ax; mov si,0x7c18; mov dx,0x3f8; next: lodsb;
  // test al,al; jz end; out dx,al; jmp next; end: hlt; jmp end
  const std::string code(
      "\xfa\x31\xc0\x8e\xd8\xbe\x18\x7c\xba\xf8\x03\xac\x84\xc0\x74\x03"
      "\xee\xeb\xf8\xf4\xeb\xfd",
      22);
  cd.replace(kBoot * kSector, code.size(), code);
  cd.replace(kBoot * kSector + 0x18, sizeof(kGreeting) - 1, kGreeting);
  return cd;
}

TEST_F(LayersTest, AGuestBootsFromACdrom) {
  ASSERT_THAT(WriteFileAtomically(PathOf("boot.iso"), MakeBootableCd(), 0644),
              IsOk());
  ASSERT_THAT(host_.Start(), IsOk());
  const Caller owner = host_.As("user/tenant-a");
  v1::LaunchGuestRequest request = LinuxGuest("web", "user/tenant-a");
  v1::GuestSpec& spec = *request.mutable_guest()->mutable_spec();
  spec.clear_kernel();
  spec.clear_initrd();
  spec.clear_kernel_command_line();
  spec.set_machine(v1::GuestSpec::Q35);
  v1::GuestSpec::Disk& cd = *spec.mutable_disks(0);
  cd.set_volume("pools/main/volumes/boot.iso");
  cd.set_mode(v1::GuestSpec::Disk::READ_ONLY);
  cd.set_device(v1::GuestSpec::Disk::CDROM);

  ASSERT_THAT(owner.Finish(owner.Launch(request)), IsOk());

  Console console(owner, "web");
  EXPECT_TRUE(console.Await("INNKEEPER-CD-UP")) << console.output();
  ASSERT_THAT(owner.Finish(owner.Stop("web", true)), IsOk());
  EXPECT_TRUE(Content("boot.iso") == MakeBootableCd());
}

}  // namespace
}  // namespace innkeeper
