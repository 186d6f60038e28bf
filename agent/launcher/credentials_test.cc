#include "agent/launcher/credentials.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

constexpr int kNotDropped = 255;

// "0" of "NoNewPrivs:\t0" in the calling process's status.
std::string StatusField(const std::string& name) {
  std::ifstream status("/proc/thread-self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (absl::StartsWith(line, name + ":")) {
      return line.substr(name.size() + 2);
    }
  }
  return "no such field";
}

int FiltersOfSelf() { return std::stoi(StatusField("Seccomp_filters")); }

// What `act` returns, at most 254, as `credentials`.
int As(const Credentials& credentials, const std::function<int()>& act) {
  const pid_t child = fork();
  if (child == 0) {
    const absl::Status dropped = DropTo(credentials);
    if (!dropped.ok()) {
      write(STDERR_FILENO, dropped.message().data(), dropped.message().size());
      _exit(kNotDropped);
    }
    _exit(act());
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class CredentialsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(geteuid(), 0u) << "this test needs root";
    credentials_.uid = credentials_.gid = 1889900000;
  }

  Credentials credentials_;
  const int filters_before_ = FiltersOfSelf();
};

TEST_F(CredentialsTest, NothingOfRootIsLeft) {
  EXPECT_EQ(As(credentials_,
               [] {
                 if (getuid() != 1889900000 || getgid() != 1889900000) return 1;
                 for (const char* set :
                      {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
                   if (StatusField(set) != "0000000000000000") return 2;
                 }
                 return StatusField("NoNewPrivs") == "1" ? 0 : 3;
               }),
            0);
}

TEST_F(CredentialsTest, RootAndItsGroupAreRefused) {
  credentials_.uid = 0;
  EXPECT_EQ(As(credentials_, [] { return 0; }), kNotDropped);
  credentials_.uid = credentials_.gid;
  credentials_.gid = 0;
  EXPECT_EQ(As(credentials_, [] { return 0; }), kNotDropped);
}

TEST_F(CredentialsTest, NoFilterIsSetUnlessAskedFor) {
  EXPECT_EQ(As(credentials_, [] { return FiltersOfSelf(); }), filters_before_);
  credentials_.filter_calls = true;
  EXPECT_EQ(As(credentials_, [] { return FiltersOfSelf(); }),
            filters_before_ + 1);
}

// As where SELinux gives a label at exec.
TEST_F(CredentialsTest, FilterHoldsWithoutNoNewPrivs) {
  credentials_.filter_calls = true;
  credentials_.no_new_privs = false;

  EXPECT_EQ(As(credentials_,
               [this] {
                 if (FiltersOfSelf() != filters_before_ + 1) return 1;
                 if (StatusField("NoNewPrivs") != "0") return 2;
                 for (const char* set :
                      {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
                   if (StatusField(set) != "0000000000000000") return 3;
                 }
                 // Without a filter the kernel looks for the family.
                 if (socket(AF_NETLINK, SOCK_RAW, 0) >= 0) return 4;
                 return errno == EAFNOSUPPORT ? 0 : 5;
               }),
            0);
}

TEST_F(CredentialsTest, KeptCapabilitiesAreAllThatIsKeptWithTheFilter) {
  credentials_.filter_calls = true;
  credentials_.capabilities = uint64_t{1} << CAP_NET_ADMIN;
  for (const bool no_new_privs : {false, true}) {
    credentials_.no_new_privs = no_new_privs;
    EXPECT_EQ(As(credentials_,
                 [this] {
                   if (FiltersOfSelf() != filters_before_ + 1) return 1;
                   for (const char* set :
                        {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
                     if (StatusField(set) != "0000000000001000") return 2;
                   }
                   return 0;
                 }),
              0)
        << no_new_privs;
  }
}

}  // namespace
}  // namespace innkeeper
