#include "agent/launcher/host_offer.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/launch/launch_context.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Whether a child can make a namespace of `kind`.
bool CanUnshare(int kind) {
  const pid_t child = fork();
  if (child == 0) _exit(unshare(kind) == 0 ? 0 : 1);
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status == 0;
}

TEST(HostOfferTest, NamesAreThoseOfTheConfiguration) {
  ContextConfig config;
  config.identities["build"] = Credentials();
  config.owners["user/ada"] = Credentials();
  config.groups["disks"] = 6;
  config.roots["minimal"] = "/srv/root";
  config.capabilities = {"net_admin"};
  config.least_nice = -3;

  const ContextOffer offer = MakeHostOffer(config, true);

  EXPECT_THAT(offer.identities, ElementsAre("build"));
  EXPECT_THAT(offer.owners, ElementsAre("user/ada"));
  EXPECT_THAT(offer.groups, ElementsAre("disks"));
  EXPECT_THAT(offer.roots, ElementsAre("minimal"));
  EXPECT_THAT(offer.capabilities, ElementsAre("net_admin"));
  EXPECT_EQ(offer.least_nice, -3);
  EXPECT_TRUE(offer.io_limits);
  EXPECT_FALSE(offer.networks.has_value());
}

TEST(HostOfferTest, KernelsPartsAreThoseThatWork) {
  const ContextOffer offer = MakeHostOffer(ContextConfig(), false);

  EXPECT_EQ(offer.user_namespaces, CanUnshare(CLONE_NEWUSER));
  EXPECT_EQ(offer.time_namespaces, CanUnshare(CLONE_NEWTIME));
  EXPECT_THAT(ParseCpuList(offer.cpus), IsOk());
  EXPECT_THAT(offer.identities, IsEmpty());
  EXPECT_FALSE(offer.io_limits);
  rlimit files;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_EQ(offer.rlimits.at("nofile"), static_cast<int64_t>(files.rlim_max));
}

}  // namespace
}  // namespace innkeeper
