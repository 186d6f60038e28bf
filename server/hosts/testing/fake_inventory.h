// innkeeper.agent.v1.Inventory whose streams a test writes. Testonly.
#ifndef INNKEEPER_SERVER_HOSTS_TESTING_FAKE_INVENTORY_H_
#define INNKEEPER_SERVER_HOSTS_TESTING_FAKE_INVENTORY_H_

#include <atomic>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "innkeeper/agent/v1/inventory.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Thread-safe. The gate must outlive it.
class FakeInventory final : public agent::v1::Inventory::CallbackService {
 public:
  using Writer = StreamWriter<agent::v1::WatchInventoryResponse>;

  explicit FakeInventory(Gate* gate) : gate_(*gate) {}

  grpc::ServerWriteReactor<agent::v1::WatchInventoryResponse>* WatchInventory(
      grpc::CallbackServerContext* context,
      const agent::v1::WatchInventoryRequest* request) override {
    return gate_.ServerStream<agent::v1::WatchInventoryResponse>(
        context, request,
        [this](const Permit&, std::shared_ptr<Writer> writer) {
          writer->SetCancelHandler([this] { ++cancelled_; });
          absl::MutexLock lock(&mutex_);
          writer_ = std::move(writer);
          return absl::OkStatus();
        });
  }

  // The server's end of the next stream, which is waited for: 10 s at most,
  // then null.
  std::shared_ptr<Writer> TakeWriter() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto there = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return writer_ != nullptr;
    };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10))) {
      return nullptr;
    }
    return std::exchange(writer_, nullptr);
  }
  // Streams that ended otherwise than by their writer.
  int cancelled() const { return cancelled_; }

 private:
  Gate& gate_;
  std::atomic<int> cancelled_{0};
  absl::Mutex mutex_;
  std::shared_ptr<Writer> writer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_HOSTS_TESTING_FAKE_INVENTORY_H_
