// A network namespace of a test's own with a bridge, and frames on its taps.
#ifndef INNKEEPER_AGENT_LAUNCHER_TESTING_TEST_NETWORK_H_
#define INNKEEPER_AGENT_LAUNCHER_TESTING_TEST_NETWORK_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "agent/launch/launch_plan.h"
#include "agent/launch/spawner.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Needs root. Not thread-safe. Everything in the namespace goes with it.
class TestNetwork {
 public:
  TestNetwork();
  ~TestNetwork();
  TestNetwork(const TestNetwork&) = delete;
  TestNetwork& operator=(const TestNetwork&) = delete;

  // "--network=NAME=br0:netns=...", with `options` (":isolated") behind.
  std::string Flag(const std::string& name,
                   const std::string& options = "") const;
  // Runs `command` by a shell in the namespace; what it prints, of both kinds.
  std::string Run(const std::string& command) const;
  // The taps of guests that are there.
  std::vector<std::string> TapNames() const;
  // The sets of `instance`'s filter that hold something, or a rule that is not
  // there at all: "" if there is no table.
  std::string Filter(const std::string& instance) const;

  const std::string& name() const { return name_; }

 private:
  std::string name_;
};

// Adds an interface with a single queue to `plan`, at descriptor `number`.
// `addresses` are texts.
void AddTap(const std::string& network, const std::string& mac,
            const std::vector<std::string>& addresses, int number,
            LaunchPlan* plan);

// The guest's end of a tap, held beside the process that has it.
class TapEnd {
 public:
  // Takes descriptor `number` out of the process that `launched` is.
  TapEnd(const Launched& launched, int number);

  // Sends one Ethernet frame as the guest. False if the kernel refuses it.
  bool Send(const std::string& frame);
  // Every frame that arrives until one is the `last`, which is among them;
  // without it if it does not arrive within some seconds.
  std::vector<std::string> ReceiveUntil(
      const std::function<bool(const std::string&)>& last);

  bool valid() const { return fd_.valid(); }

 private:
  UniqueFd fd_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_TESTING_TEST_NETWORK_H_
