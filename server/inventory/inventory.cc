#include "server/inventory/inventory.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "server/hosts/host_directory.h"
#include "server/inventory/host_view.h"

namespace innkeeper {
namespace {

constexpr char kListEvents[] = "innkeeper.agent.v1.Inventory/ListHostEvents";
constexpr absl::Duration kListTimeout = absl::Seconds(10);

std::string NameOf(absl::string_view host) {
  return absl::StrCat("hosts/", host);
}

absl::Status Unreachable(const std::string& host, const std::string& why) {
  return Error(absl::StatusCode::kUnavailable, reason::kHostUnreachable,
               absl::StrCat("host '", host, "' does not answer: ", why,
                            "; try again when it is back"))
      .With("host", NameOf(host));
}

}  // namespace

Inventory::Inventory(Parts parts)
    : parts_(std::move(parts)),
      events_(parts_.loop, this),
      watches_(parts_.loop, &table_, &events_) {
  events_.SetHead(ServerLog::kHost, parts_.log->head());
  parts_.log->SetSink(
      [this](v1::Event event) { events_.Publish(std::move(event)); });
}

Inventory::~Inventory() {
  parts_.loop->PostAndWait([this] {
    absl::MutexLock lock(&mutex_);
    for (auto& [name, entry] : hosts_) {
      if (entry.link != nullptr) entry.link->Stop();
    }
  });
  // Its worker would call into what is about to go.
  parts_.log->ClearSink();
}

void Inventory::AddHost(const EnrolledHost& host) {
  RemoveHost(host.name);
  absl::StatusOr<std::unique_ptr<AgentClient>> client =
      parts_.make_client(host);
  Entry entry;
  entry.enrolled = host;
  entry.why = "it has not answered yet";
  if (client.ok()) {
    entry.link = std::make_shared<AgentLink>(parts_.loop, this, host.name,
                                             *std::move(client), parts_.timing);
  } else {
    entry.why = std::string(client.status().message());
    LogError("host.unusable", {{"host", host.name}, {"error", entry.why}});
  }
  // Until it has told what it has, lists are not whole.
  table_.SetUnreachable(NameOf(host.name), true);
  const std::shared_ptr<AgentLink> link = entry.link;
  {
    absl::MutexLock lock(&mutex_);
    hosts_[host.name] = std::move(entry);
  }
  // Only now: what the agent says of a host that is not there is lost.
  if (link != nullptr) parts_.loop->Post([link] { link->Start(); });
}

bool Inventory::NonePending() const {
  return std::none_of(hosts_.begin(), hosts_.end(), [](const auto& entry) {
    return entry.second.state == v1::Host::PENDING &&
           entry.second.link != nullptr;
  });
}

void Inventory::AwaitHosts(absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(this, &Inventory::NonePending),
                          timeout);
}

void Inventory::RemoveHost(const std::string& host) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = hosts_.find(host);
    if (found == hosts_.end()) return;
    parts_.loop->Post([link = found->second.link] {
      if (link != nullptr) link->Stop();
    });
    hosts_.erase(found);
  }
  for (const GuestRowPtr& row : table_.RetainOnHost(NameOf(host), {})) {
    watches_.Changed(row->guest.name(), row);
  }
  table_.SetUnreachable(NameOf(host), false);
  events_.Forget(NameOf(host));
}

void Inventory::UpdateHost(const EnrolledHost& host) {
  absl::MutexLock lock(&mutex_);
  const auto found = hosts_.find(host.name);
  if (found != hosts_.end()) found->second.enrolled = host;
}

void Inventory::ClaimId(absl::string_view guest, const std::string& uid) {
  const GuestTable::Renamed renamed =
      table_.Claim(absl::StrCat("guests/", guest), uid);
  if (renamed.before == nullptr) return;
  watches_.Changed(renamed.before->guest.name(), renamed.before);
  watches_.Changed(renamed.after->guest.name());
}

void Inventory::UnclaimId(absl::string_view guest, absl::string_view uid) {
  table_.Unclaim(absl::StrCat("guests/", guest), uid);
}

std::shared_ptr<AgentClient> Inventory::FindClient(
    absl::string_view host) const {
  absl::MutexLock lock(&mutex_);
  const auto found = hosts_.find(host);
  if (found == hosts_.end() || found->second.link == nullptr) return nullptr;
  return found->second.link->client();
}

absl::Status Inventory::CheckReachable(absl::string_view host) const {
  absl::MutexLock lock(&mutex_);
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return HostNotFoundError(host);
  const Entry& entry = found->second;
  if (entry.state == v1::Host::UP) return absl::OkStatus();
  return Unreachable(found->first, Show(entry).state_message());
}

int64_t Inventory::FencingNumber(absl::string_view host) const {
  absl::MutexLock lock(&mutex_);
  const auto found = hosts_.find(host);
  return found == hosts_.end() ? 0 : found->second.enrolled.enrolment_number;
}

v1::Host Inventory::Show(const Entry& entry) const {
  v1::Host host = entry.reported;
  host.set_name(NameOf(entry.enrolled.name));
  host.set_address(entry.enrolled.address);
  host.set_cordoned(entry.enrolled.cordoned);
  host.set_state(entry.state);
  host.mutable_enrol_time()->set_seconds(
      absl::ToUnixSeconds(entry.enrolled.enrol_time));
  if (entry.contact == absl::InfinitePast()) {
    host.clear_observe_time();
    host.set_state_message(entry.why);
    return host;
  }
  host.mutable_observe_time()->set_seconds(absl::ToUnixSeconds(entry.contact));
  if (entry.state != v1::Host::UP) {
    host.set_state_message(absl::StrCat(
        "no contact for ",
        absl::FormatDuration(
            absl::Trunc(parts_.clock->Now() - entry.contact, absl::Seconds(1))),
        " (", entry.why, ")"));
  }
  return host;
}

std::vector<v1::Host> Inventory::Hosts() const {
  std::vector<v1::Host> hosts;
  {
    absl::MutexLock lock(&mutex_);
    hosts.reserve(hosts_.size());
    for (const auto& [name, entry] : hosts_) hosts.push_back(Show(entry));
  }
  for (v1::Host& host : hosts) CountAllocated(&host);
  return hosts;
}

// What the host said of itself is as old as its last change; its guests are
// known better than that.
void Inventory::CountAllocated(v1::Host* host) const {
  v1::Host::Resources* allocated = host->mutable_allocated();
  allocated->Clear();
  // Held: nothing else keeps the rows while the table goes on.
  const std::shared_ptr<const GuestSnapshot> snapshot = table_.Snapshot();
  for (const GuestRowPtr& row : snapshot->rows) {
    if (row->guest.host() != host->name()) continue;
    const v1::GuestSpec& spec = row->guest.spec();
    allocated->set_memory_bytes(allocated->memory_bytes() +
                                spec.memory_bytes());
    allocated->set_vcpu_count(allocated->vcpu_count() + spec.vcpu_count());
    allocated->set_guest_count(allocated->guest_count() + 1);
  }
}

std::optional<v1::Host> Inventory::FindHost(absl::string_view host) const {
  v1::Host shown;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = hosts_.find(host);
    if (found == hosts_.end()) return std::nullopt;
    shown = Show(found->second);
  }
  CountAllocated(&shown);
  return shown;
}

std::vector<ObservedHost> Inventory::Observe() {
  std::map<std::string, std::map<std::string, Capacity>> guests;
  const std::shared_ptr<const GuestSnapshot> snapshot = table_.Snapshot();
  for (const GuestRowPtr& row : snapshot->rows) {
    guests[row->guest.host()][row->guest.uid()] = ToCapacity(row->guest.spec());
  }
  std::vector<ObservedHost> observed;
  for (const v1::Host& host : Hosts()) {
    ObservedHost& entry = observed.emplace_back();
    entry.view = ToHostView(host);
    entry.guests = std::move(guests[host.name()]);
  }
  return observed;
}

void Inventory::Read(const std::string& host, const Position& after, int limit,
                     Completion<std::vector<v1::Event>> done) {
  if (host == ServerLog::kHost) {
    return parts_.log->Read(after, limit, std::move(done));
  }
  const std::string id = HostId(host);
  const std::shared_ptr<AgentClient> client = FindClient(id);
  if (client == nullptr) {
    return done(Error(absl::StatusCode::kOutOfRange, reason::kHistoryGone,
                      absl::StrCat(host,
                                   " is no longer in the cluster; list "
                                   "afresh"))
                    .With("host", host)
                    .Build());
  }
  agent::v1::ListHostEventsRequest request;
  request.set_epoch(after.epoch);
  request.set_after_sequence(after.sequence);
  request.set_page_size(limit);
  CallAgent<agent::v1::ListHostEventsResponse>(
      *client, kListEvents, request, std::nullopt, kListTimeout,
      [this, host, id, done = std::move(done)](
          absl::StatusOr<agent::v1::ListHostEventsResponse> page) mutable {
        if (!page.ok()) return done(ToHostError(id, page.status()));
        std::vector<v1::Event> events;
        for (v1::Event& event : *page->mutable_events()) {
          events.push_back(Translate(host, std::move(event)));
        }
        done(std::move(events));
      });
}

v1::Event Inventory::Translate(const std::string& host, v1::Event event) const {
  event.set_host(host);
  if (!event.guest_uid().empty()) {
    event.set_guest(table_.NameOf(event.guest(), event.guest_uid()));
  }
  return event;
}

void Inventory::OnHost(const std::string& host, v1::Host state) {
  absl::MutexLock lock(&mutex_);
  const auto found = hosts_.find(host);
  if (found != hosts_.end()) found->second.reported = std::move(state);
}

bool Inventory::IsForeign(const std::string& host, const std::string& uid) {
  // What a host still says while it is being removed is nobody's.
  if (FindClient(host) == nullptr) return true;
  const GuestRowPtr known = table_.FindByUid(uid);
  if (known == nullptr || known->guest.host() == NameOf(host)) return false;
  LogError("inventory.uid_taken",
           {{"host", host}, {"uid", uid}, {"belongs_to", known->guest.host()}});
  return true;
}

void Inventory::OnGuest(const std::string& host, v1::Guest guest) {
  if (IsForeign(host, guest.uid())) return;
  guest.set_host(NameOf(host));
  guest.set_stale(false);
  watches_.Changed(table_.Put(std::move(guest))->guest.name());
}

void Inventory::OnGuestRemoved(const std::string& host,
                               const std::string& uid) {
  if (IsForeign(host, uid)) return;
  const GuestRowPtr row = table_.Remove(uid);
  if (row != nullptr) watches_.Changed(row->guest.name(), row);
  if (guests_gone_) guests_gone_(host);
}

void Inventory::OnEvent(const std::string& host, v1::Event event) {
  events_.Publish(Translate(NameOf(host), std::move(event)));
}

void Inventory::OnSynced(const std::string& host, const Position& position,
                         const std::set<std::string>& uids) {
  // What a host still says while it is being removed is nobody's.
  if (FindClient(host) == nullptr) return;
  for (const GuestRowPtr& row : table_.RetainOnHost(NameOf(host), uids)) {
    watches_.Changed(row->guest.name(), row);
  }
  for (const GuestRowPtr& row : table_.SetUnreachable(NameOf(host), false)) {
    watches_.Changed(row->guest.name());
  }
  events_.SetHead(NameOf(host), position);
  bool was_up = false;
  {
    // Last: a host that is up has its guests in the table.
    absl::MutexLock lock(&mutex_);
    const auto found = hosts_.find(host);
    if (found == hosts_.end()) return;
    was_up = found->second.state == v1::Host::UP;
    found->second.state = v1::Host::UP;
    found->second.why.clear();
  }
  if (!was_up) {
    LogInfo("host.up", {{"host", host}});
    parts_.log->Append("host.up", host, "", "");
  }
  if (guests_gone_) guests_gone_(host);
}

void Inventory::OnContact(const std::string& host) {
  absl::MutexLock lock(&mutex_);
  const auto found = hosts_.find(host);
  if (found != hosts_.end()) found->second.contact = parts_.clock->Now();
}

void Inventory::OnSilent(const std::string& host, const std::string& why) {
  absl::Time contact;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = hosts_.find(host);
    if (found == hosts_.end()) return;
    found->second.state = v1::Host::UNREACHABLE;
    found->second.why = why;
    contact = found->second.contact;
  }
  for (const GuestRowPtr& row :
       table_.SetUnreachable(NameOf(host), true, contact)) {
    watches_.Changed(row->guest.name());
  }
  LogWarning("host.unreachable", {{"host", host}, {"error", why}});
  parts_.log->Append("host.unreachable", host, "", why);
}

}  // namespace innkeeper
