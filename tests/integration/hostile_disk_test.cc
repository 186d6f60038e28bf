// Every hostile image as a disk of a launch on a real host: what its header
// gives away is refused before there is a process, the rest meets QEMU in its
// jail, and nothing that any of them names is ever opened.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/guest/disk_spec.h"
#include "agent/image/testing/hostile_images.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

v1::GuestSpec::Disk::Format ToApi(DiskFormat format) {
  return format == DiskFormat::kRaw ? v1::GuestSpec::Disk::RAW
                                    : v1::GuestSpec::Disk::QCOW2;
}

// A file, a unix socket and a port that somebody would notice the use of.
class Canaries {
 public:
  explicit Canaries(const std::string& directory) : directory_(directory) {
    const std::string content(1 << 20, 'c');
    EXPECT_THAT(WriteFileAtomically(targets().file, content, 0644), IsOk());
    sockaddr_un path = {};
    path.sun_family = AF_UNIX;
    targets().socket.copy(path.sun_path, sizeof(path.sun_path) - 1);
    unix_ = Listen(AF_UNIX, reinterpret_cast<sockaddr*>(&path), sizeof(path));
    sockaddr_in any = {};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    port_ = Listen(AF_INET, reinterpret_cast<sockaddr*>(&any), sizeof(any));
    // The inode's, whatever path or mount it is reached by.
    EXPECT_GE(inotify_add_watch(inotify_.get(), targets().file.c_str(),
                                IN_OPEN | IN_ACCESS | IN_MODIFY | IN_ATTRIB |
                                    IN_MOVE_SELF | IN_DELETE_SELF),
              0);
  }

  HostileTargets targets() const {
    HostileTargets targets;
    targets.file = absl::StrCat(directory_, "/canary");
    targets.socket = absl::StrCat(directory_, "/canary.sock");
    sockaddr_in address = {};
    socklen_t size = sizeof(address);
    if (port_.valid() &&
        getsockname(port_.get(), reinterpret_cast<sockaddr*>(&address),
                    &size) == 0) {
      targets.port = ntohs(address.sin_port);
    }
    return targets;
  }
  // Whether any of them was touched since the last call.
  bool Touched() {
    pollfd fds[] = {{inotify_.get(), POLLIN, 0},
                    {unix_.get(), POLLIN, 0},
                    {port_.get(), POLLIN, 0}};
    if (poll(fds, 3, 0) == 0) return false;
    char events[4096];
    if (read(inotify_.get(), events, sizeof(events)) > 0) return true;
    const UniqueFd local(accept(unix_.get(), nullptr, nullptr));
    const UniqueFd remote(accept(port_.get(), nullptr, nullptr));
    return local.valid() || remote.valid();
  }

 private:
  static UniqueFd Listen(int family, const sockaddr* address, socklen_t size) {
    UniqueFd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(bind(fd.get(), address, size), 0);
    EXPECT_EQ(listen(fd.get(), 16), 0);
    return fd;
  }

  const std::string directory_;
  const UniqueFd inotify_{inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  UniqueFd unix_;
  UniqueFd port_;
};

class HostileDiskTest : public testing::Test {
 protected:
  HostileDiskTest() : canaries_(host_.pool_dir()) {}

  v1::LaunchGuestRequest With(const HostileImage& image,
                              v1::GuestSpec::Disk::Mode mode) {
    v1::LaunchGuestRequest request = PausedGuest("web", "user/tenant-a");
    v1::GuestSpec::Disk* const disk =
        request.mutable_guest()->mutable_spec()->add_disks();
    disk->set_volume(absl::StrCat("pools/main/volumes/", image.name));
    disk->set_format(ToApi(image.format));
    disk->set_mode(mode);
    for (const LayerSpec& layer : image.backing) {
      v1::GuestSpec::Disk::Layer* const added = disk->add_backing();
      added->set_volume(layer.volume.ToString());
      added->set_format(ToApi(layer.format));
    }
    return request;
  }
  void Place(const HostileImage& image) {
    ASSERT_THAT(
        WriteFileAtomically(absl::StrCat(host_.pool_dir(), "/", image.name),
                            image.bytes, 0644),
        IsOk());
  }

  Lab host_;
  Canaries canaries_;
};

TEST_F(HostileDiskTest, NothingThatAnImageNamesIsEverTouched) {
  host_.AddDisk(kHostileBase, 1 << 20);
  ASSERT_THAT(host_.Start(), IsOk());
  const Caller caller = host_.As("user/operator");
  int refused = 0;
  int opened = 0;
  for (const HostileImage& image : MakeHostileImages(canaries_.targets())) {
    SCOPED_TRACE(image.name);
    Place(image);
    const absl::Status status = caller.Finish(
        caller.Launch(With(image, v1::GuestSpec::Disk::EPHEMERAL)));
    EXPECT_FALSE(canaries_.Touched());
    if (image.refused) {
      ++refused;
      EXPECT_THAT(status, HasReason(reason::kImageUnsupported));
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                                   HasSubstr(image.name)));
      EXPECT_THAT(caller.Get("web"), StatusIs(absl::StatusCode::kNotFound));
      continue;
    }
    if (!status.ok() && absl::IsNotFound(caller.Get("web").status())) {
      // QEMU itself has refused it.
      EXPECT_THAT(status, HasReason(reason::kGuestExited));
      continue;
    }
    if (status.ok()) {
      ++opened;
      // Its overlay is there, and QEMU has opened the image anew.
      EXPECT_THAT(caller.Finish(caller.Reboot("web")),
                  AnyOf(IsOk(), HasReason(reason::kGuestNotRunning)));
      EXPECT_THAT(caller.Finish(caller.Stop("web", true)), IsOk());
    }
    EXPECT_THAT(caller.Finish(caller.Delete("web")), IsOk());
    EXPECT_FALSE(canaries_.Touched());
  }
  EXPECT_GE(refused, 200);
  EXPECT_GE(opened, 14);
  host_.CheckNothingLeft();
}

// Whoever the test trusts to notice does.
TEST_F(HostileDiskTest, ACanaryThatIsOpenedIsNoticed) {
  EXPECT_FALSE(canaries_.Touched());
  { const UniqueFd fd(open(canaries_.targets().file.c_str(), O_RDONLY)); }
  EXPECT_TRUE(canaries_.Touched());
  EXPECT_FALSE(canaries_.Touched());
}

}  // namespace
}  // namespace innkeeper
