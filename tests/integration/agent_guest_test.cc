// Real guests on a real host: Linux boots, keeps what it writes, stops.
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

// A guest's serial console, read until a text comes.
class Console {
 public:
  Console(const Caller& caller, const std::string& guest) {
    SetTimeout(&context_, kPatience);
    stream_ = caller.consoles().AttachSerial(&context_);
    v1::AttachSerialRequest request;
    request.set_name("guests/" + guest);
    stream_->Write(request);
  }
  ~Console() {
    context_.TryCancel();
    stream_->Finish();
  }

  void Type(const std::string& line) {
    v1::AttachSerialRequest request;
    request.set_input(line + "\n");
    stream_->Write(request);
  }

  // Whether `text` came after what the last call found.
  bool Await(const std::string& text) {
    v1::AttachSerialResponse response;
    size_t found;
    while ((found = output_.find(text, seen_)) == std::string::npos) {
      if (!stream_->Read(&response)) return false;
      output_ += response.output();
    }
    seen_ = found + text.size();
    return true;
  }

  const std::string& output() const { return output_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AttachSerialRequest,
                                           v1::AttachSerialResponse>>
      stream_;
  std::string output_;
  size_t seen_ = 0;
};

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
    v1::LaunchGuestRequest request = PausedGuest(id, "user/tenant-a");
    v1::GuestSpec* spec = request.mutable_guest()->mutable_spec();
    spec->set_start_paused(false);
    spec->set_machine(GetParam().machine);
    spec->set_acceleration(v1::GuestSpec::ACCELERATION_UNSPECIFIED);
    spec->set_memory_bytes(256 << 20);
    spec->set_kernel("pools/main/volumes/vmlinuz");
    spec->set_initrd("pools/main/volumes/initrd.img");
    const std::string line =
        ReadFile(absl::StrCat(getenv("INNKEEPER_TEST_GUEST"), "/cmdline"), 4096)
            .value_or("");
    spec->set_kernel_command_line(line.substr(0, line.find('\n')));
    v1::GuestSpec::Disk* disk = spec->add_disks();
    disk->set_volume("pools/main/volumes/disk.raw");
    disk->set_format(v1::GuestSpec::Disk::RAW);
    disk->set_mode(mode);
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
