#include "examples/project_policy/project_policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

using innkeeper::plugin::v1::ReviewLaunchRequest;
using innkeeper::plugin::v1::ReviewLaunchResponse;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kLimit = int64_t{64} << 20;

ReviewLaunchRequest Launch(int64_t memory_bytes) {
  ReviewLaunchRequest request;
  request.set_stage(innkeeper::plugin::v1::ADMIT);
  (*request.mutable_guest()->mutable_labels())["project"] = "x";
  request.mutable_guest()->mutable_spec()->set_memory_bytes(memory_bytes);
  return request;
}

TEST(ProjectPolicyTest, GuestOfAProjectWithinTheLimitIsAllowed) {
  EXPECT_TRUE(ProjectPolicy(kLimit).Decide(Launch(kLimit)).has_allow());
}

TEST(ProjectPolicyTest, GuestWithoutAProjectIsDenied) {
  ReviewLaunchRequest request = Launch(kLimit);
  request.mutable_guest()->clear_labels();

  const ReviewLaunchResponse response = ProjectPolicy(kLimit).Decide(request);

  EXPECT_THAT(response.deny().reasons(), ElementsAre(HasSubstr("project")));
}

TEST(ProjectPolicyTest, WhatAsksForMoreMemoryGetsLess) {
  const ReviewLaunchResponse response =
      ProjectPolicy(kLimit).Decide(Launch(2 * kLimit));

  EXPECT_EQ(response.patch().memory_bytes(), kLimit);
}

TEST(ProjectPolicyTest, GuestThatHasMoreAlreadyDoesNotStartAgain) {
  ReviewLaunchRequest request = Launch(2 * kLimit);
  request.set_restart(true);

  const ReviewLaunchResponse response = ProjectPolicy(kLimit).Decide(request);

  EXPECT_THAT(response.deny().reasons(), ElementsAre(HasSubstr("64 MiB")));
}

}  // namespace
