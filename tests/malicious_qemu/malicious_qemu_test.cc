// The attempts are real: without a jail each of them works, for an ordinary
// user or for root. What the launcher's jail refuses is shown by
// agent/launcher/malicious_qemu_test.cc.
#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kUser = 1889900000;
constexpr char kBinary[] = "tests/malicious_qemu/malicious_qemu";

// Nobody can do these here, jail or not: what they ask for does not exist, or
// belongs to the descriptor and to no process.
const std::set<std::string> kNeverDone = {
    "file.write_read_only_disk",
    "file.truncate_read_only_disk",
    "kernel.module",
    "kernel.swap",
    "privilege.remove_filter",
};

// Whether these work depends on how the kernel was built, and on whether root
// has CAP_SYS_RESOURCE, which it has not in a container.
const std::set<std::string> kNotEverywhere = {
    "kernel.io_ports",           "limit.raise_files",
    "limit.raise_locked_memory", "limit.raise_processes",
    "network.crypto_socket",
};

// These would work, and change the host for everybody.
const std::set<std::string> kNotTried = {
    "kernel.clock",
    "kernel.kexec",
    "kernel.reboot",
};

// The names of what worked.
std::set<std::string> AllowedIn(absl::string_view said) {
  std::set<std::string> allowed;
  for (absl::string_view line : absl::StrSplit(said, '\n')) {
    if (absl::EndsWith(line, " ALLOWED")) {
      allowed.insert(std::string(line.substr(0, line.find(' '))));
    }
  }
  return allowed;
}

std::set<std::string> RefusedIn(absl::string_view said) {
  std::set<std::string> refused;
  for (absl::string_view line : absl::StrSplit(said, '\n')) {
    if (absl::StrContains(line, " refused: ")) {
      refused.insert(std::string(line.substr(0, line.find(' '))));
    }
  }
  return refused;
}

class MaliciousQemuControlTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(geteuid(), 0u) << "this test needs root";
    char directory[] = "/tmp/inn-evil-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    dir_ = directory;
    fs::permissions(dir_, fs::perms(0755));
    fs::copy_file(kBinary, dir_ + "/evil");
    for (const char* file : {"canary", "cgroup.procs", "image"}) {
      std::ofstream(absl::StrCat(dir_, "/", file)) << "canary";
      fs::permissions(absl::StrCat(dir_, "/", file), fs::perms(0666));
    }
  }
  void TearDown() override {
    for (const pid_t decoy : decoys_) {
      kill(decoy, SIGKILL);
      waitpid(decoy, nullptr, 0);
    }
    fs::remove_all(dir_);
  }

  // What the program says when `prepare` has made its process what it is to be.
  std::string Run(const std::vector<std::string>& arguments,
                  const std::function<void()>& prepare) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = fork();
    if (child == 0) {
      dup2(ends[1], STDERR_FILENO);
      prepare();
      Execute(arguments);
    }
    close(ends[1]);
    std::string said;
    char part[4096];
    ssize_t got;
    // To the end: each attempt takes at most ten seconds.
    while ((got = read(ends[0], part, sizeof(part))) > 0) {
      said.append(part, static_cast<size_t>(got));
    }
    close(ends[0]);
    waitpid(child, nullptr, 0);
    return said;
  }

  static void Execute(const std::vector<std::string>& arguments) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments) {
      argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }

  static void Become(uid_t user) {
    if (setgroups(0, nullptr) != 0 || setresgid(user, user, user) != 0 ||
        setresuid(user, user, user) != 0) {
      _exit(126);
    }
  }

  // A process of kUser.
  pid_t MakeDecoy() {
    const pid_t decoy = fork();
    if (decoy == 0) {
      Become(kUser);
      execl("/bin/sleep", "sleep", "600", nullptr);
      _exit(127);
    }
    decoys_.push_back(decoy);
    // It belongs to its user once it has executed.
    const std::string exe = absl::StrCat("/proc/", decoy, "/exe");
    std::error_code error;
    while (!absl::EndsWith(fs::read_symlink(exe, error).string(), "/sleep") &&
           kill(decoy, 0) == 0) {
      sched_yield();
    }
    return decoy;
  }

  UniqueFd Listen(const std::string& name, bool abstract) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const size_t offset = abstract ? 1 : 0;
    name.copy(address.sun_path + offset, sizeof(address.sun_path) - 1 - offset);
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                          offset + name.size())),
              0);
    EXPECT_EQ(listen(fd.get(), 4), 0);
    if (!abstract) fs::permissions(name, fs::perms(0777));
    return fd;
  }

  UniqueFd Bind(int type, int* port) {
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(static_cast<uint16_t>(*port));
    UniqueFd fd(socket(AF_INET6, type | SOCK_CLOEXEC, 0));
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    if (type == SOCK_STREAM) {
      EXPECT_EQ(listen(fd.get(), 4), 0);
    }
    EXPECT_EQ(
        getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    *port = ntohs(address.sin6_port);
    return fd;
  }

  // An ordinary user of the host.
  std::string RunAsUser() {
    int port = 0;
    const UniqueFd tcp = Bind(SOCK_STREAM, &port);
    const UniqueFd udp = Bind(SOCK_DGRAM, &port);
    const UniqueFd path = Listen(dir_ + "/socket", false);
    const UniqueFd monitor = Listen(dir_ + "/monitor", false);
    const UniqueFd abstract = Listen(dir_, true);
    // The first is killed.
    const pid_t launcher = MakeDecoy();
    const pid_t other = MakeDecoy();
    const std::string said =
        Run({dir_ + "/evil", "escape", "exit", "file=" + dir_ + "/canary",
             "socket=" + dir_ + "/socket", "abstract=" + dir_,
             absl::StrCat("port=", port), "monitor=" + dir_ + "/monitor",
             "cgroup=" + dir_, absl::StrCat("launcher=", launcher),
             absl::StrCat("other_guest=", other),
             absl::StrCat("own_keeper=", other),
             absl::StrCat("other_uid=", kUser), "read_only_disk=7",
             "skip=kernel.clock", "skip=kernel.kexec", "skip=kernel.reboot"},
            [this] {
              OpenDiskAndDirectory(dir_ + "/image");
              Become(kUser);
            });
    fs::remove("/tmp/x");
    mq_unlink("/x");
    return said;
  }

  // Of descriptors that a process was given, or that leaked into it.
  static void OpenDiskAndDirectory(const std::string& disk) {
    dup2(open(disk.c_str(), O_RDONLY | O_CLOEXEC), 7);
    dup2(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 8);
  }

  // Root, in namespaces of its own and with a root that can be thrown away, so
  // that what works changes nothing of the host.
  std::string RunAsRoot() {
    return Run({"/evil", "escape", "exit", "file=/canary", "cgroup=/",
                "launcher=1", "other_guest=1", "own_keeper=1",
                absl::StrCat("other_uid=", kUser), "read_only_disk=7",
                "skip=kernel.clock", "skip=kernel.kexec", "skip=kernel.reboot"},
               [this] {
                 if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                             CLONE_NEWUTS | CLONE_NEWIPC) != 0) {
                   _exit(126);
                 }
                 // Its pid 1, which outlives every signal from inside, stands
                 // for the keeper.
                 ForkAndWait();
                 if (!EnterThrowAwayRoot()) _exit(126);
                 ForkAndWait();
                 OpenDiskAndDirectory("/image");
               });
  }

  // Goes on in a child; the parent ends when it has.
  static void ForkAndWait() {
    const pid_t child = fork();
    if (child == 0) return;
    if (child < 0) _exit(126);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    _exit(0);
  }

  bool EnterThrowAwayRoot() const {
    const std::string root = dir_ + "/root";
    const auto copy = [&](const char* name) {
      std::error_code error;
      return fs::copy_file(absl::StrCat(dir_, "/", name),
                           absl::StrCat(root, "/", name), error);
    };
    mkdir(root.c_str(), 0755);
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", root.c_str(), "tmpfs", 0, nullptr) != 0) {
      return false;
    }
    for (const char* name : {"dev", "etc", "proc", "run", "tmp", "usr"}) {
      mkdir(absl::StrCat(root, "/", name).c_str(), 0777);
    }
    mknod((root + "/dev/null").c_str(), S_IFCHR | 0666, makedev(1, 3));
    return copy("evil") && copy("canary") && copy("image") &&
           copy("cgroup.procs") &&
           mount("proc", (root + "/proc").c_str(), "proc", 0, nullptr) == 0 &&
           chdir(root.c_str()) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
           umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
  }

  std::string dir_;
  std::vector<pid_t> decoys_;
};

TEST_F(MaliciousQemuControlTest, WithoutAJailEachAttemptWorks) {
  const std::string as_user = RunAsUser();
  const std::string as_root = RunAsRoot();

  ASSERT_TRUE(absl::StrContains(as_user, "escape done")) << as_user;
  ASSERT_TRUE(absl::StrContains(as_root, "escape done")) << as_root;
  std::set<std::string> allowed = AllowedIn(as_user);
  allowed.merge(AllowedIn(as_root));
  for (const std::string& name : RefusedIn(as_user)) {
    if (allowed.count(name) != 0 || kNeverDone.count(name) != 0 ||
        kNotEverywhere.count(name) != 0) {
      continue;
    }
    ADD_FAILURE() << name << " works for nobody, and so proves nothing";
  }
  for (const auto* names : {&kNeverDone, &kNotTried}) {
    for (const std::string& name : *names) {
      EXPECT_EQ(allowed.count(name), 0u) << name;
    }
  }
  EXPECT_GE(allowed.size(), 100u);
  if (HasFailure()) printf("%s\n---\n%s\n", as_user.c_str(), as_root.c_str());
}

}  // namespace
}  // namespace innkeeper
