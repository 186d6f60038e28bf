// Speaks to the launcher for the agent.
#ifndef INNKEEPER_AGENT_SPAWNER_LAUNCHER_CLIENT_H_
#define INNKEEPER_AGENT_SPAWNER_LAUNCHER_CLIENT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/guest_facts.h"
#include "agent/launch/launch_plan.h"
#include "agent/launch/spawner.h"
#include "agent/launcher/protocol.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace innkeeper {

// The launcher's socketpair as a Spawner. Thread-safe; never blocks.
class LauncherClient : public Spawner {
 public:
  static constexpr absl::Duration kDefaultDeadline = absl::Seconds(30);

  // `socket` is the agent's end. Completions and the disconnect handler run on
  // `loop`, which must outlive this. Each request is given up after `deadline`.
  LauncherClient(EventLoop* loop, UniqueFd socket,
                 absl::Duration deadline = kDefaultDeadline);
  // Not on the loop. Requests still open are answered UNAVAILABLE first.
  ~LauncherClient() override;

  // The socket that the launcher gave this process when it started it, by its
  // environment. FAILED_PRECONDITION (LAUNCHER_UNAVAILABLE) if it did not.
  static absl::StatusOr<UniqueFd> InheritedSocket();

  void Launch(LaunchPlan plan, Completion<Launched> done) override;
  void OpenImage(absl::string_view pool, absl::string_view name,
                 Completion<UniqueFd> done) override;
  void Kill(absl::string_view guest, StatusCompletion done) override;
  void Release(absl::string_view guest, StatusCompletion done) override;
  void Forget(absl::string_view uid, StatusCompletion done) override;
  void List(Completion<std::vector<KnownGuest>> done) override;
  void Offer(Completion<ContextOffer> done) override;
  void InspectGuest(absl::string_view guest,
                    Completion<GuestFacts> done) override;
  void SetDisconnectHandler(absl::AnyInvocable<void()> handler) override;

  // Which instance this is, where its directories are, which pools it has.
  void Hello(Completion<HelloReply> done);
  // The volumes of the block pools, sorted; at most `limit` of them, or
  // somewhat more.
  void ListVolumes(size_t limit, Completion<std::vector<PoolVolume>> done);
  // What the kernel says of any process. NOT_FOUND if there is none.
  void Inspect(int64_t pid, Completion<InspectReply> done);

 private:
  class Connection;

  // Asks for the guests after `after`, page by page. On the loop.
  static void ListAfter(std::shared_ptr<Connection> connection,
                        const std::string& after, std::vector<KnownGuest> known,
                        Completion<std::vector<KnownGuest>> done);

  static void ListVolumesAfter(std::shared_ptr<Connection> connection,
                               std::string after, size_t limit,
                               std::vector<PoolVolume> known,
                               Completion<std::vector<PoolVolume>> done);

  EventLoop* const loop_;
  // Lives on the loop; outlives this by what is still posted there.
  const std::shared_ptr<Connection> connection_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SPAWNER_LAUNCHER_CLIENT_H_
