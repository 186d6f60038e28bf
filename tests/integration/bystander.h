// Somebody who only wants to work while others misbehave.
#ifndef INNKEEPER_TESTS_INTEGRATION_BYSTANDER_H_
#define INNKEEPER_TESTS_INTEGRATION_BYSTANDER_H_

#include <atomic>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "tests/integration/caller.h"

namespace innkeeper {

// Lists the guests again and again, some milliseconds apart, on a thread of its
// own, on a channel, until it is stopped.
class Bystander {
 public:
  struct Report {
    size_t calls = 0;
    // The first error, if there was one.
    std::string error;
    absl::Duration p50;
    absl::Duration p99;
    absl::Duration worst;
  };

  // Returns once the first call was answered.
  explicit Bystander(std::shared_ptr<grpc::Channel> channel);
  ~Bystander();
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;

  // Waits for the call under way. Once.
  Report Stop();

 private:
  void Run();

  const Caller caller_;
  std::atomic<bool> stop_{false};
  // The thread's own until it has ended.
  std::vector<absl::Duration> waits_;
  std::string error_;
  std::thread thread_;
};

std::ostream& operator<<(std::ostream& out, const Bystander::Report& report);

}  // namespace innkeeper

#endif  // INNKEEPER_TESTS_INTEGRATION_BYSTANDER_H_
