#include "agent/host/host_facts.h"

#include <unistd.h>

#include "absl/status/status.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(HostFactsTest, ThisMachineHasThemAll) {
  const absl::StatusOr<HostFacts> facts = ReadHostFacts();

  ASSERT_THAT(facts, IsOk());
  EXPECT_TRUE(IsUuid(facts->boot_id)) << facts->boot_id;
  EXPECT_GT(facts->memory_bytes, int64_t{1} << 24);
  EXPECT_GE(facts->cpu_count, 1);
}

TEST(HostFactsTest, StartTimeIsTheSameEachTimeAndOlderThanOurs) {
  const absl::StatusOr<uint64_t> own = ReadStartTimeTicks(getpid());
  const absl::StatusOr<uint64_t> again = ReadStartTimeTicks(getpid());
  const absl::StatusOr<uint64_t> parent = ReadStartTimeTicks(getppid());

  ASSERT_THAT(own, IsOk());
  EXPECT_EQ(own, again);
  ASSERT_THAT(parent, IsOk());
  EXPECT_LE(*parent, *own);
}

TEST(HostFactsTest, ProcessThatIsNotThereIsNotFound) {
  EXPECT_THAT(ReadStartTimeTicks(1 << 23),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace innkeeper
