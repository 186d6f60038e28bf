#include "agent/host/host_probe.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

// Counts what it is asked to run, and says that nothing can be run.
class RefusingRunner : public ProbeRunner {
 public:
  void Run(ProbeCommand, Completion<ProbeOutcome> done) override {
    ++runs;
    // On this thread and late enough: the probe has nothing to do after it.
    done(absl::UnavailableError("no processes today"));
  }
  int runs = 0;
};

TEST(HostProbeTest, WhatWasFoundIsNotLookedForAgainInThisBoot) {
  const std::string cache =
      absl::StrCat(testing::TempDir(), "/probe-", MakeUuid());
  RefusingRunner runner;

  const absl::StatusOr<HostProbe> first =
      ProbeHost("/usr/bin/qemu-system-x86_64", "boot-1", cache, &runner);
  const absl::StatusOr<HostProbe> again =
      ProbeHost("/usr/bin/qemu-system-x86_64", "boot-1", cache, &runner);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(runner.runs, 1);
  EXPECT_FALSE(again->kvm);
  EXPECT_EQ(again->qemu.machine_types, first->qemu.machine_types);

  ASSERT_THAT(
      ProbeHost("/usr/bin/qemu-system-x86_64", "boot-2", cache, &runner),
      IsOk());
  EXPECT_EQ(runner.runs, 2);
}

TEST(HostProbeTest, DamagedCacheIsAsGoodAsNone) {
  HostProbe probe;
  for (const char* bytes :
       {"", "{", "[]", R"({"key":"k"})",
        R"({"key":"k","version":1,"kvm":true,"kvm_reason":"",)"
        R"("machine_types":[]})",
        R"({"key":"k","version":"7","kvm":true,"kvm_reason":"",)"
        R"("machine_types":[1]})"}) {
    EXPECT_FALSE(ParseHostProbe(bytes, "k", &probe)) << bytes;
  }
  EXPECT_FALSE(ParseHostProbe(FormatHostProbe("k", probe), "other", &probe));
  EXPECT_TRUE(ParseHostProbe(FormatHostProbe("k", probe), "k", &probe));
}

}  // namespace
}  // namespace innkeeper
