#include "agent/security/security_review.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agent/launch/guest_facts.h"
#include "agent/security/asked_context.h"
#include "agent/security/security_check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

AskedContext Asked() {
  AskedContext asked;
  asked.group = "web";
  asked.process.pid = 4711;
  asked.process.start_time_ticks = 99;
  asked.process.unix_uid = 1880000002;
  asked.process.unix_gid = 1880000002;
  asked.binary = "/usr/bin/qemu";
  asked.memory_bytes = 1 << 30;
  asked.pids = 65;
  asked.cpu_millis = 1500;
  asked.limits["Max processes"] = 65;
  asked.files = 2;
  return asked;
}

std::string Status(const std::string& uid, const std::string& filters) {
  return absl::StrCat(
      "Name:\tqemu\nTracerPid:\t0\nUid:\t", uid, "\nGid:\t", uid,
      "\nGroups:\t\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
      "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
      "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"
      "Seccomp_filters:\t",
      filters, "\nCpus_allowed_list:\t0-1\n");
}

constexpr char kUid[] = "1880000002\t1880000002\t1880000002\t1880000002";
constexpr char kKeeper[] = "1880000003\t1880000003\t1880000003\t1880000003";

std::map<std::string, std::string> Good() {
  std::string stat = "4711 (qemu) S";
  for (int field = 4; field <= 52; ++field) stat += " 0";
  std::string limits;
  for (const auto& [name, most] : Asked().limits) {
    absl::StrAppend(&limits, name, "   ", most, "   ", most, "   units\n");
  }
  return {
      {"status", Status(kUid, "3")},
      {"stat", stat},
      {"limits", limits},
      {"cgroup", "3:cpu,cpuacct:/ik/web\n1:name=systemd:/\n0::/ik/web\n"},
      {"oom_score_adj", "500\n"},
      {"personality", "00000000\n"},
      {"uid_map", "         0          0 4294967295\n"},
      {"mountinfo",
       "1 0 0:1 / / ro,nosuid,nodev - tmpfs tmpfs rw\n"
       "2 1 0:2 / /proc rw,nosuid,nodev - proc proc rw\n"
       "3 1 0:3 / /dev ro,nosuid - tmpfs tmpfs rw\n"},
      {"attr", "unconfined\n"},
      {"exe", "/usr/bin/qemu"},
      {"root", "/"},
      {"cwd", "/"},
      {"ns",
       "cgroup:[1]\nipc:[2]\nmnt:[3]\nnet:[4]\npid:[5]\ntime:[26]\n"
       "user:[27]\nuts:[8]\n"},
      {"host.ns",
       "cgroup:[21]\nipc:[22]\nmnt:[23]\nnet:[24]\npid:[25]\ntime:[26]\n"
       "user:[27]\nuts:[28]\n"},
      {"fds",
       "anon:eventfd 9 1\ndevice:/dev/null 1 1\nfile-read 3 1\n"
       "file-write 2 1\nmemfd 1 1\nsocket 4 4\n"},
      {"sockets", "tcp 0\ntcp6 0\nudp 0\nudp6 0\nraw 0\npacket 0\nunix 0\n"},
      {"environ", "PATH\nLANG\nHOME\n"},
      {"keeper.status", Status(kKeeper, "2")},
      {"host.status", Status("0\t0\t0\t0", "1")},
      {"host.core_pattern", "core\n"},
      {"host.lsm", "capability,landlock"},
      {"cgroup.memory.max", "1073741824\n"},
      {"cgroup.pids.max", "65\n"},
      {"cgroup.cpu.max", "150000 100000\n"},
  };
}

GuestFacts Facts(const std::map<std::string, std::string>& texts) {
  GuestFacts facts;
  facts.pid = 4711;
  facts.start_time_ticks = 99;
  for (const auto& [name, text] : texts) facts.facts.push_back({name, 0, text});
  return facts;
}

std::vector<std::string> With(SecurityVerdict verdict,
                              const std::vector<SecurityCheck>& checks) {
  std::vector<std::string> ids;
  for (const SecurityCheck& check : checks) {
    if (check.verdict == verdict) ids.push_back(check.id);
  }
  return ids;
}

// What is different once `from` of `fact` has become `to`.
std::vector<std::string> DifferentIf(const std::string& fact,
                                     const std::string& from,
                                     const std::string& to) {
  auto texts = Good();
  const std::string before = texts[fact];
  texts[fact] = absl::StrReplaceAll(before, {{from, to}});
  EXPECT_NE(texts[fact], before) << from;
  return With(SecurityVerdict::kDifferent,
              ReviewSecurity(Asked(), Facts(texts)));
}

TEST(SecurityReviewTest, GuestThatIsConfinedAsAskedDiffersInNothing) {
  const auto checks = ReviewSecurity(Asked(), Facts(Good()));

  EXPECT_THAT(With(SecurityVerdict::kDifferent, checks), IsEmpty());
  EXPECT_THAT(With(SecurityVerdict::kUnknown, checks), IsEmpty());
  EXPECT_TRUE(AllAsAsked(checks));
  EXPECT_GE(With(SecurityVerdict::kSame, checks).size(), 50u);
}

TEST(SecurityReviewTest, EveryCheckHasItsOwnIdAndSaysWhatAndWhere) {
  std::set<std::string> ids;
  for (const auto& check : ReviewSecurity(Asked(), Facts(Good()))) {
    EXPECT_TRUE(ids.insert(check.id).second) << check.id;
    EXPECT_THAT(check.id, HasSubstr("."));
    EXPECT_FALSE(check.what.empty()) << check.id;
    EXPECT_FALSE(check.source.empty()) << check.id;
    EXPECT_FALSE(check.actual.empty()) << check.id;
    EXPECT_EQ(check.asked.empty(),
              check.verdict == SecurityVerdict::kInformation)
        << check.id;
  }
}

TEST(SecurityReviewTest, EachDifferenceIsMarkedAndNothingElse) {
  const struct {
    const char* fact;
    const char* from;
    const char* to;
    const char* id;
  } cases[] = {
      {"exe", "qemu", "other", "process.binary"},
      {"status", "TracerPid:\t0", "TracerPid:\t7", "process.tracer"},
      {"status", "Groups:\t", "Groups:\t27", "identity.groups"},
      {"status", "CapEff:\t00", "CapEff:\t01", "capabilities.effective"},
      {"status", "CapPrm:\t00", "CapPrm:\t01", "capabilities.permitted"},
      {"status", "CapInh:\t00", "CapInh:\t01", "capabilities.inheritable"},
      {"status", "CapBnd:\t00", "CapBnd:\tff", "capabilities.bounding"},
      {"status", "CapAmb:\t00", "CapAmb:\t01", "capabilities.ambient"},
      {"status", "NoNewPrivs:\t1", "NoNewPrivs:\t0", "privileges.no_new_privs"},
      {"status", "Seccomp:\t2", "Seccomp:\t0", "seccomp.mode"},
      {"status", "filters:\t3", "filters:\t2", "seccomp.filters"},
      {"personality", "00000000", "00400000", "process.personality"},
      {"ns", "cgroup:[1]", "cgroup:[21]", "namespace.cgroup"},
      {"ns", "ipc:[2]", "ipc:[22]", "namespace.ipc"},
      {"ns", "mnt:[3]", "mnt:[23]", "namespace.mnt"},
      {"ns", "net:[4]", "net:[24]", "namespace.net"},
      {"ns", "pid:[5]", "pid:[25]", "namespace.pid"},
      {"ns", "user:[27]", "user:[7]", "namespace.user"},
      {"ns", "time:[26]", "time:[6]", "namespace.time"},
      {"ns", "uts:[8]", "uts:[28]", "namespace.uts"},
      {"root", "/", "/srv", "files.root"},
      {"cwd", "/", "/root", "files.working_directory"},
      {"mountinfo", "/ ro,", "/ rw,", "files.read_only"},
      {"mountinfo", "/ ro,nosuid", "/ ro", "files.nosuid"},
      {"mountinfo", "/proc rw,nosuid,nodev", "/proc rw,nosuid", "files.nodev"},
      {"fds", "file-read 3 1", "file-read 3 2", "descriptors.files"},
      {"fds", "anon:eventfd", "directory", "descriptors.directories"},
      {"fds", "/dev/null", "/dev/mem", "descriptors.devices"},
      {"environ", "LANG\n", "LANG\nLD_PRELOAD\n", "environment.names"},
      {"sockets", "tcp 0", "tcp 1", "sockets.tcp"},
      {"sockets", "udp6 0", "udp6 2", "sockets.udp6"},
      {"sockets", "packet 0", "packet 1", "sockets.packet"},
      {"limits", "size   1   1", "size   1   unlimited",
       "limits.core_file_size"},
      {"limits", "files   1024   1024", "files   1024   4096",
       "limits.open_files"},
      {"limits", "processes   65   65", "processes   66   66",
       "limits.processes"},
      {"oom_score_adj", "500", "-1000", "schedule.oom_score"},
      {"status", "list:\t0-1", "list:\t0", "schedule.affinity"},
      {"cgroup", "0::/ik/web", "0::/", "cgroup.group"},
      {"cgroup", "cpuacct:/ik/web", "cpuacct:/ik/other", "cgroup.group"},
      {"cgroup.memory.max", "1073741824", "max", "cgroup.memory"},
      {"cgroup.pids.max", "65", "max", "cgroup.pids"},
      {"cgroup.cpu.max", "150000", "max", "cgroup.cpu"},
      {"cgroup.cpu.max", "150000", "160000", "cgroup.cpu"},
      {"keeper.status", "1880000003", "1880000002", "keeper.uid"},
      {"keeper.status", "1880000003\t1880000003\t1880000003\t1880000003",
       "1880000003\t0\t0\t0", "keeper.uid"},
      {"keeper.status", "CapBnd:\t00", "CapBnd:\tff", "keeper.capabilities"},
      {"keeper.status", "NoNewPrivs:\t1", "NoNewPrivs:\t0",
       "keeper.no_new_privs"},
      {"keeper.status", "Seccomp:\t2", "Seccomp:\t0", "keeper.seccomp"},
  };
  for (const auto& one : cases) {
    EXPECT_THAT(DifferentIf(one.fact, one.from, one.to), ElementsAre(one.id))
        << one.from << " -> " << one.to;
  }
}

TEST(SecurityReviewTest, EveryOneOfTheFourIdsCounts) {
  EXPECT_THAT(
      DifferentIf("status",
                  "Uid:\t1880000002\t1880000002\t1880000002\t1880000002",
                  "Uid:\t1880000002\t1880000002\t0\t1880000002"),
      ElementsAre("identity.uid"));
  EXPECT_THAT(
      DifferentIf("status",
                  "Gid:\t1880000002\t1880000002\t1880000002\t1880000002",
                  "Gid:\t1880000002\t0\t1880000002\t1880000002"),
      ElementsAre("identity.gid"));
}

TEST(SecurityReviewTest, SchedulingOtherThanTheUsualIsMarked) {
  auto texts = Good();
  std::string stat = "4711 (qemu) S";
  for (int field = 4; field <= 52; ++field) {
    stat += field == 19 ? " -5" : field == 41 ? " 1" : " 0";
  }
  texts["stat"] = stat;

  EXPECT_THAT(
      With(SecurityVerdict::kDifferent, ReviewSecurity(Asked(), Facts(texts))),
      ElementsAre("schedule.nice", "schedule.policy"));
}

TEST(SecurityReviewTest, AnotherProcessWithThePidIsMarked) {
  GuestFacts facts = Facts(Good());
  facts.start_time_ticks = 100;

  EXPECT_THAT(With(SecurityVerdict::kDifferent, ReviewSecurity(Asked(), facts)),
              ElementsAre("process.identity"));
}

TEST(SecurityReviewTest, WhatWasNotReadIsUnknownAndNeverAsAsked) {
  const auto whole = ReviewSecurity(Asked(), Facts(Good()));
  // Without it a limit of version 1 is looked for, and there is none.
  for (const auto& [name, unused] : Good()) {
    auto texts = Good();
    texts.erase(name);
    const auto checks = ReviewSecurity(Asked(), Facts(texts));
    ASSERT_EQ(checks.size(), whole.size()) << name;
    EXPECT_THAT(With(SecurityVerdict::kDifferent, checks), IsEmpty()) << name;
    if (name == "uid_map" || name == "attr" || name == "host.core_pattern" ||
        name == "host.lsm") {
      continue;  // Told only.
    }
    EXPECT_FALSE(AllAsAsked(checks)) << name;
  }
  const auto nothing = ReviewSecurity(Asked(), GuestFacts());
  EXPECT_THAT(With(SecurityVerdict::kSame, nothing), IsEmpty());
  EXPECT_EQ(nothing.size(), whole.size());
}

TEST(SecurityReviewTest, LimitsOfVersionOneCountAsWell) {
  auto texts = Good();
  texts.erase("cgroup.memory.max");
  texts.erase("cgroup.cpu.max");
  texts["cgroup.memory.limit_in_bytes"] = "1073741824\n";
  texts["cgroup.cpu.cfs_quota_us"] = "150000\n";
  texts["cgroup.cpu.cfs_period_us"] = "100000\n";
  EXPECT_TRUE(AllAsAsked(ReviewSecurity(Asked(), Facts(texts))));

  texts["cgroup.cpu.cfs_quota_us"] = "-1\n";
  texts["cgroup.memory.limit_in_bytes"] = "9223372036854771712\n";
  EXPECT_THAT(
      With(SecurityVerdict::kDifferent, ReviewSecurity(Asked(), Facts(texts))),
      ElementsAre("cgroup.memory", "cgroup.cpu"));
}

TEST(SecurityReviewTest, WhatIsLowerThanAskedIsAsAsked) {
  auto texts = Good();
  texts["cgroup.memory.max"] = "4096\n";
  texts["cgroup.cpu.max"] = "1000 100000\n";
  texts["limits"] = absl::StrReplaceAll(texts["limits"], {{"1024", "64"}});

  EXPECT_TRUE(AllAsAsked(ReviewSecurity(Asked(), Facts(texts))));
}

TEST(SecurityReviewTest, DisksThatAreDevicesCountAsFiles) {
  auto texts = Good();
  texts["fds"] = "device:/dev/loop0 2 1\nfile-read 1 1\n";
  EXPECT_TRUE(AllAsAsked(ReviewSecurity(Asked(), Facts(texts))));

  texts["fds"] =
      "device:/dev/loop0 2 1\ndevice:/dev/loop1 1 1\n"
      "device:/dev/loop2 1 1\n";
  EXPECT_THAT(
      With(SecurityVerdict::kDifferent, ReviewSecurity(Asked(), Facts(texts))),
      ElementsAre("descriptors.devices"));
}

TEST(SecurityReviewTest, HostsNamespacesAreAsAskedWhereTheyWereAsked) {
  AskedContext asked = Asked();
  asked.namespaces["net"] = AskedNamespace::kHost;
  auto texts = Good();
  EXPECT_THAT(
      With(SecurityVerdict::kDifferent, ReviewSecurity(asked, Facts(texts))),
      ElementsAre("namespace.net"));

  texts["ns"] = absl::StrReplaceAll(texts["ns"], {{"net:[4]", "net:[24]"}});
  texts["sockets"] = "tcp 17\n";
  const auto checks = ReviewSecurity(asked, Facts(texts));
  EXPECT_TRUE(AllAsAsked(checks));
  EXPECT_THAT(With(SecurityVerdict::kInformation, checks),
              Contains("sockets.tcp"));
}

TEST(SecurityReviewTest, WhatOnlyAPlanSaysIsUnknownWithoutOne) {
  AskedContext asked = Asked();
  asked.no_plan = "the disk is gone";

  const auto checks = ReviewSecurity(asked, Facts(Good()));

  EXPECT_THAT(
      With(SecurityVerdict::kUnknown, checks),
      ElementsAre("process.binary", "descriptors.files", "descriptors.devices",
                  "cgroup.memory", "cgroup.pids", "cgroup.cpu"));
  EXPECT_THAT(With(SecurityVerdict::kDifferent, checks), IsEmpty());
}

TEST(SecurityReviewTest, WeightIsComparedOnceItIsAsked) {
  AskedContext asked = Asked();
  asked.cpu_weight = 50;
  auto texts = Good();
  texts["cgroup.cpu.weight"] = "50\n";
  EXPECT_TRUE(AllAsAsked(ReviewSecurity(asked, Facts(texts))));
  texts.erase("cgroup.cpu.weight");
  texts["cgroup.cpu.shares"] = "512\n";
  EXPECT_TRUE(AllAsAsked(ReviewSecurity(asked, Facts(texts))));

  texts["cgroup.cpu.shares"] = "1024\n";
  EXPECT_THAT(
      With(SecurityVerdict::kDifferent, ReviewSecurity(asked, Facts(texts))),
      ElementsAre("cgroup.cpu_weight"));
}

TEST(SecurityReviewTest, LandlockThatIsRequiredIsToldAndNotTakenForSeen) {
  AskedContext asked = Asked();
  asked.landlock_required = true;

  const auto checks = ReviewSecurity(asked, Facts(Good()));

  EXPECT_TRUE(AllAsAsked(checks));
  EXPECT_THAT(With(SecurityVerdict::kInformation, checks),
              Contains("landlock.rules"));
  EXPECT_THAT(With(SecurityVerdict::kSame, checks),
              Not(Contains("landlock.rules")));
}

TEST(SecurityReviewTest, LabelMayGoOnAfterWhatWasAsked) {
  AskedContext asked = Asked();
  asked.selinux = "system_u:system_r:guest_t:s0";
  asked.apparmor = "innkeeper-";
  auto texts = Good();
  texts["attr"] = "system_u:system_r:guest_t:s0:c1,c2\n";
  texts["attr.apparmor"] = "innkeeper-web (enforce)\n";

  EXPECT_TRUE(AllAsAsked(ReviewSecurity(asked, Facts(texts))));
}

TEST(SecurityReviewTest, LabelThatIsAnotherOrNotThereIsMarked) {
  AskedContext asked = Asked();
  asked.selinux = "system_u:system_r:guest_t:s0";
  asked.apparmor = "innkeeper-web";
  auto texts = Good();
  texts["attr"] = "system_u:system_r:init_t:s0\n";

  const auto checks = ReviewSecurity(asked, Facts(texts));

  EXPECT_THAT(With(SecurityVerdict::kDifferent, checks),
              ElementsAre("label.selinux"));
  EXPECT_THAT(With(SecurityVerdict::kUnknown, checks),
              ElementsAre("label.apparmor"));
}

TEST(SecurityReviewTest, GroupOutsideOfItsSliceIsMarked) {
  AskedContext asked = Asked();
  asked.group = "lab.slice/web";

  EXPECT_THAT(
      With(SecurityVerdict::kDifferent, ReviewSecurity(asked, Facts(Good()))),
      ElementsAre("cgroup.group"));
}

}  // namespace
}  // namespace innkeeper
