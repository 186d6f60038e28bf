#include "server/service/context_finder.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "google/longrunning/operations.pb.h"
#include "server/inventory/host_view.h"
#include "server/service/host_fan_out.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;

constexpr char kLaunch[] = "innkeeper.v1.Guests/LaunchGuest";
constexpr absl::Duration kTimeout = absl::Seconds(10);

}  // namespace

void ContextFinder::Find(
    const v1::LaunchGuestRequest& request, const Principal& caller,
    absl::AnyInvocable<void(std::set<std::string>)> done) const {
  const std::string& context = request.guest().spec().context();
  if (context.empty()) return done({});
  std::vector<std::string> hosts;
  for (const v1::Host& host : inventory_.Hosts()) {
    const bool has = std::find(host.contexts().begin(), host.contexts().end(),
                               context) != host.contexts().end();
    if (has && host.state() == v1::Host::UP) {
      hosts.push_back(HostId(host.name()));
    }
  }
  v1::LaunchGuestRequest check = request;
  check.set_validate_only(true);
  check.clear_host();
  check.clear_host_labels();
  AskHosts<Operation>(inventory_, hosts, kLaunch, check, caller, kTimeout,
                      [done = std::move(done)](
                          std::vector<HostAnswer<Operation>> answers) mutable {
                        std::set<std::string> having;
                        for (const HostAnswer<Operation>& one : answers) {
                          // Whatever else stands in the way is said by the
                          // launch itself.
                          if (DetailsOf(one.answer.status()).reason !=
                              reason::kContextNotFound) {
                            having.insert(one.host);
                          }
                        }
                        done(std::move(having));
                      });
}

}  // namespace innkeeper
