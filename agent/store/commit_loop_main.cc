// For agent_store_fault_test: commits revisions 1 to 5 of one guest, each with
// an event, to the store at argv[1], unless a failpoint ends it before.
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "agent/guest/guest_record.h"
#include "agent/store/agent_store.h"
#include "agent/store/store_types.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  innkeeper::AgentStore::Options options;
  options.path = argv[1];
  auto store = innkeeper::AgentStore::Open(std::move(options));
  if (!store.ok()) return 3;
  for (int revision = 1; revision <= 5; ++revision) {
    innkeeper::GuestRecord guest;
    guest.id = "web";
    guest.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    guest.spec.memory_bytes = innkeeper::kMinMemoryBytes;
    guest.revision = revision;
    innkeeper::Change change;
    change.put_guests = {guest};
    change.events = {{0, absl::UnixEpoch(), "web", "user/a", "x", "y"}};
    if (!(*store)->Commit(std::move(change)).ok()) return 4;
  }
  return 0;
}
