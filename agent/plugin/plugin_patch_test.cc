#include "agent/plugin/plugin_patch.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

constexpr int64_t kMiB = int64_t{1} << 20;

class PluginPatchTest : public testing::Test {
 protected:
  PluginPatchTest() {
    guest_.id = "web";
    guest_.owner = "user/ada";
    guest_.spec.memory_bytes = 128 * kMiB;
    guest_.spec.vcpu_count = 4;
    guest_.spec.labels = {{"tier", "db"}};
    guest_.spec.kernel = VolumeName{"main", "vmlinuz"};
    guest_.spec.kernel_command_line = "quiet";
    rules_.may_make = [](const GuestRecord&) { return true; };
  }

  // What a patch that is refused leaves, and says.
  void ExpectRefused(const PluginPatch& patch, const std::string& why) {
    const GuestSpec before = guest_.spec;
    const absl::StatusOr<std::vector<std::string>> changes =
        ApplyPatch(patch, rules_, &guest_);
    EXPECT_THAT(changes, StatusIs(absl::StatusCode::kFailedPrecondition,
                                  HasSubstr(why)));
    EXPECT_THAT(changes, HasReason(reason::kPluginFailed));
    EXPECT_TRUE(guest_.spec == before);
  }

  GuestRecord guest_;
  PatchRules rules_;
  PluginPatch patch_;
};

TEST_F(PluginPatchTest, EveryFieldIsAppliedAndNamed) {
  patch_.labels = {{"project", "x"}, {"tier", ""}};
  patch_.memory_bytes = 64 * kMiB;
  patch_.vcpu_count = 2;
  patch_.kernel_command_line_suffix = "audit=1";

  const absl::StatusOr<std::vector<std::string>> changes =
      ApplyPatch(patch_, rules_, &guest_);

  ASSERT_THAT(changes, IsOk());
  EXPECT_THAT(*changes, ElementsAre("label project = x", "label tier removed",
                                    "memory_bytes = 67108864 (was 134217728)",
                                    "vcpu_count = 2 (was 4)",
                                    "kernel_command_line + audit=1"));
  EXPECT_THAT(guest_.spec.labels, ElementsAre(Pair("project", "x")));
  EXPECT_EQ(guest_.spec.memory_bytes, 64 * kMiB);
  EXPECT_EQ(guest_.spec.vcpu_count, 2);
  EXPECT_EQ(guest_.spec.kernel_command_line, "quiet audit=1");
}

TEST_F(PluginPatchTest, WhatIsThereAlreadyIsNoChange) {
  patch_.labels = {{"tier", "db"}, {"absent", ""}};
  patch_.memory_bytes = 128 * kMiB;
  patch_.vcpu_count = 4;
  rules_.restart = true;

  const absl::StatusOr<std::vector<std::string>> changes =
      ApplyPatch(patch_, rules_, &guest_);

  ASSERT_THAT(changes, IsOk());
  EXPECT_THAT(*changes, IsEmpty());
}

TEST_F(PluginPatchTest, MemoryAndProcessorsOnlyGoDown) {
  patch_.memory_bytes = 129 * kMiB;
  ExpectRefused(patch_, "memory_bytes");
  patch_.memory_bytes = -1;
  ExpectRefused(patch_, "memory_bytes");
  patch_.memory_bytes = 0;
  patch_.vcpu_count = 5;
  ExpectRefused(patch_, "vcpu_count");
  patch_.vcpu_count = -2147483647;
  ExpectRefused(patch_, "vcpu_count");
}

TEST_F(PluginPatchTest, ResultMustBeAValidGuest) {
  patch_.memory_bytes = kMiB + 1;
  ExpectRefused(patch_, "spec.memory_bytes");
  patch_ = PluginPatch();
  patch_.labels = {{"UPPER", "x"}};
  ExpectRefused(patch_, "spec.labels");
  patch_.labels = {{"a", "two\nlines"}};
  ExpectRefused(patch_, "spec.labels[a]");
  patch_ = PluginPatch();
  patch_.kernel_command_line_suffix = "two\nlines";
  ExpectRefused(patch_, "kernel_command_line");
  patch_.kernel_command_line_suffix = "a";
  guest_.spec.kernel.reset();
  guest_.spec.kernel_command_line.clear();
  ExpectRefused(patch_, "needs a kernel");
}

TEST_F(PluginPatchTest, LabelsAndSuffixAreBounded) {
  for (int i = 0; i < 100; ++i) patch_.labels[absl::StrCat("k", i)] = "v";
  ExpectRefused(patch_, "too many labels");
  while (patch_.labels.size() > 32) patch_.labels.erase(patch_.labels.begin());
  ExpectRefused(patch_, "must be at most 32");
  patch_ = PluginPatch();
  patch_.kernel_command_line_suffix = std::string(501, 'a');
  ExpectRefused(patch_, "501 bytes");
}

TEST_F(PluginPatchTest, WhatTheCallerMayNotMakeIsRefused) {
  rules_.may_make = [](const GuestRecord& guest) {
    const auto tier = guest.spec.labels.find("tier");
    return tier != guest.spec.labels.end() && tier->second == "db";
  };
  patch_.labels = {{"tier", "front"}};
  ExpectRefused(patch_, "caller of the launch");

  patch_.labels = {{"project", "x"}};
  EXPECT_THAT(ApplyPatch(patch_, rules_, &guest_), IsOk());
}

TEST_F(PluginPatchTest, WithoutTheCallersRightsLabelsAreOnlyAdded) {
  rules_.may_make = nullptr;
  patch_.labels = {{"tier", "front"}};
  ExpectRefused(patch_, "taken over");
  patch_.labels = {{"tier", ""}};
  ExpectRefused(patch_, "taken over");

  patch_.labels = {{"project", "x"}};
  EXPECT_THAT(ApplyPatch(patch_, rules_, &guest_), IsOk());
}

TEST_F(PluginPatchTest, SuffixIsForTheFirstStageOnly) {
  patch_.kernel_command_line_suffix = "a";
  rules_.stage = PluginStage::kPrepare;
  ExpectRefused(patch_, "admit only");
}

TEST_F(PluginPatchTest, NothingChangesAtTheLastLook) {
  rules_.stage = PluginStage::kArgv;
  ExpectRefused(patch_, "only denies");
}

TEST_F(PluginPatchTest, GuestThatWasLaunchedBeforeStaysAsItIs) {
  rules_.restart = true;
  patch_.vcpu_count = 1;
  ExpectRefused(patch_, "deny its start instead");
}

TEST_F(PluginPatchTest, FieldsThatCannotBePatchedAreRefusedByName) {
  patch_.unsupported = {"networks", "context"};
  ExpectRefused(patch_, "networks, context");
}

TEST_F(PluginPatchTest, TextsOfThePatchAreMadePrintable) {
  patch_.labels = {{"evil\x1b[2J\n", "x"}};
  rules_.restart = true;

  const absl::Status refused = ApplyPatch(patch_, rules_, &guest_).status();

  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("evil?[2J?"), Not(HasSubstr("\x1b"))));
}

}  // namespace
}  // namespace innkeeper
