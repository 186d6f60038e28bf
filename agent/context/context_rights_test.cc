#include "agent/context/context_rights.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/context/context_spec.h"
#include "agent/launch/launch_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr int64_t kMebibyte = int64_t{1} << 20;

// For a guest of two processors.
std::vector<std::string> Refused(const ContextSpec& base,
                                 const ContextSpec& parts) {
  std::vector<std::string> fields;
  for (const RefusedPart& part : FindRefusedParts(base, parts, DefaultsOf(2))) {
    fields.push_back(part.field);
  }
  return fields;
}

std::vector<std::string> Refused(const ContextSpec& parts) {
  return Refused(ContextSpec(), parts);
}

using Change = std::function<void(ContextSpec&)>;

TEST(ContextRightsTest, EachPartThatWidensIsRefusedByItsName) {
  const std::vector<std::pair<std::string, Change>> cases = {
      {"identity",
       [](ContextSpec& s) {
         s.identity = ContextIdentity{IdentityKind::kNamed, "x"};
       }},
      {"identity",
       [](ContextSpec& s) {
         s.identity = ContextIdentity{IdentityKind::kOwner, ""};
       }},
      {"groups", [](ContextSpec& s) { s.groups = {"disk"}; }},
      {"selinux", [](ContextSpec& s) { s.selinux = LaunchLabel{"a:b:c"}; }},
      {"apparmor", [](ContextSpec& s) { s.apparmor = LaunchLabel{"p"}; }},
      {"namespaces.network",
       [](ContextSpec& s) {
         s.namespaces[ContextNamespaceKind::kNetwork] = {NamespaceMode::kHost,
                                                         ""};
       }},
      {"namespaces.network",
       [](ContextSpec& s) {
         s.namespaces[ContextNamespaceKind::kNetwork] = {NamespaceMode::kNamed,
                                                         "blue"};
       }},
      {"namespaces.ipc",
       [](ContextSpec& s) {
         s.namespaces[ContextNamespaceKind::kIpc] = {NamespaceMode::kHost, ""};
       }},
      {"root", [](ContextSpec& s) { s.root = "tools"; }},
      {"capabilities", [](ContextSpec& s) { s.capabilities = {"net_raw"}; }},
      {"allowed_seccomp_classes",
       [](ContextSpec& s) { s.seccomp_classes = {SeccompClass::kSpawn}; }},
      {"landlock", [](ContextSpec& s) { s.landlock = LandlockMode::kOff; }},
      {"cgroup.slice", [](ContextSpec& s) { s.cgroup.slice = "lab"; }},
      {"cgroup.cpu_millis", [](ContextSpec& s) { s.cgroup.cpu_millis = 2001; }},
      {"cgroup.cpu_weight", [](ContextSpec& s) { s.cgroup.cpu_weight = 101; }},
      {"cgroup.memory_overhead_bytes",
       [](ContextSpec& s) {
         s.cgroup.memory_overhead_bytes = 513 * kMebibyte;
       }},
      {"cgroup.pid_count", [](ContextSpec& s) { s.cgroup.pid_count = 67; }},
      {"rlimits.nofile", [](ContextSpec& s) { s.rlimits["nofile"] = 1025; }},
      {"rlimits.memlock",
       [](ContextSpec& s) { s.rlimits["memlock"] = 9 * kMebibyte; }},
      {"rlimits.nproc", [](ContextSpec& s) { s.rlimits["nproc"] = 67; }},
      {"rlimits.core", [](ContextSpec& s) { s.rlimits["core"] = 1; }},
      {"rlimits.fsize", [](ContextSpec& s) { s.rlimits["fsize"] = 1; }},
      {"rlimits.msgqueue", [](ContextSpec& s) { s.rlimits["msgqueue"] = 1; }},
      {"rlimits.rtprio", [](ContextSpec& s) { s.rlimits["rtprio"] = 1; }},
      {"rlimits.nice", [](ContextSpec& s) { s.rlimits["nice"] = 1; }},
      {"nice", [](ContextSpec& s) { s.nice = -1; }},
      {"oom_score_adj", [](ContextSpec& s) { s.oom_score_adj = 299; }},
      {"environment", [](ContextSpec& s) { s.environment["A"] = "b"; }},
  };
  for (const auto& [field, change] : cases) {
    ContextSpec parts;
    change(parts);
    EXPECT_THAT(Refused(parts), ElementsAre(field));
  }
}

TEST(ContextRightsTest, WhatNarrowsIsForEverybody) {
  ContextSpec parts;
  parts.identity.emplace();
  for (int kind = 1; kind <= 8; ++kind) {
    parts.namespaces[static_cast<ContextNamespaceKind>(kind)] = {};
  }
  parts.landlock = LandlockMode::kRequired;
  parts.cgroup = {"", 100, 2000, 512 * kMebibyte, 66, 1000, 1000, 100, 100};
  parts.rlimits = {{"nofile", 1024}, {"memlock", 0},  {"nproc", 66},
                   {"core", 0},      {"as", 1 << 30}, {"stack", 1 << 20}};
  parts.nice = 0;
  parts.cpu_affinity = "0-7";
  parts.oom_score_adj = 500;

  EXPECT_THAT(Refused(parts), IsEmpty());
  EXPECT_THAT(Refused(ContextSpec()), IsEmpty());
}

TEST(ContextRightsTest, WhatTheNamedContextGivesIsTheMeasure) {
  ContextSpec base;
  base.cgroup.cpu_millis = 4000;
  base.cgroup.io_reads_per_second = 10;
  base.rlimits["nofile"] = 4096;
  base.nice = -5;
  base.oom_score_adj = 100;
  base.cpu_affinity = "0-3";
  base.landlock = LandlockMode::kOff;

  ContextSpec within;
  within.cgroup.cpu_millis = 3000;
  within.cgroup.io_reads_per_second = 10;
  within.rlimits["nofile"] = 2048;
  within.nice = -2;
  within.oom_score_adj = 100;
  within.cpu_affinity = "1,3";
  within.landlock = LandlockMode::kIfAvailable;
  EXPECT_THAT(Refused(base, within), IsEmpty());

  ContextSpec beyond;
  beyond.cgroup.cpu_millis = 4001;
  beyond.cgroup.io_reads_per_second = 11;
  beyond.rlimits["nofile"] = 4097;
  beyond.nice = -6;
  beyond.oom_score_adj = 99;
  beyond.cpu_affinity = "3-4";
  EXPECT_THAT(Refused(base, beyond),
              UnorderedElementsAre(
                  "cgroup.cpu_millis", "cgroup.io_reads_per_second",
                  "rlimits.nofile", "nice", "oom_score_adj", "cpu_affinity"));
}

TEST(ContextRightsTest, NarrowContextIsNotWidenedBackToTheDefault) {
  ContextSpec base;
  base.cgroup.cpu_millis = 100;
  base.cgroup.pid_count = 20;
  base.rlimits["nofile"] = 64;
  base.nice = 10;
  base.oom_score_adj = 900;
  base.landlock = LandlockMode::kRequired;
  base.identity = ContextIdentity{IdentityKind::kNamed, "builder"};

  ContextSpec parts;
  parts.cgroup.cpu_millis = 2000;
  parts.cgroup.pid_count = 66;
  parts.rlimits["nofile"] = 1024;
  parts.nice = 0;
  parts.oom_score_adj = 500;
  parts.landlock = LandlockMode::kIfAvailable;
  parts.identity.emplace();

  EXPECT_THAT(Refused(base, parts),
              UnorderedElementsAre("identity", "landlock", "cgroup.cpu_millis",
                                   "cgroup.pid_count", "rlimits.nofile", "nice",
                                   "oom_score_adj"));
}

TEST(ContextRightsTest, RefusalSaysWhatWouldBeAllowed) {
  ContextSpec parts;
  parts.nice = -1;
  parts.cgroup.pid_count = 100;

  const std::vector<RefusedPart> refused =
      FindRefusedParts(ContextSpec(), parts, DefaultsOf(2));

  ASSERT_EQ(refused.size(), 2u);
  EXPECT_THAT(refused[0].why, HasSubstr("at most 66 here, not 100"));
  EXPECT_THAT(refused[1].why, HasSubstr("at least 0 here, not -1"));
}

}  // namespace
}  // namespace innkeeper
