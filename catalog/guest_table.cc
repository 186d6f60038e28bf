#include "catalog/guest_table.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "catalog/guest_fields.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

// "guests/" and an id.
constexpr size_t kMaxName = 7 + 63;

// A row as a list sees it.
class ListedGuest final : public ListRow {
 public:
  explicit ListedGuest(GuestRowPtr row)
      : row_(std::move(row)), fields_(row_->guest) {}

  absl::string_view name() const override { return row_->guest.name(); }
  const ResourceAttributes& attributes() const override {
    return row_->attributes;
  }
  absl::string_view framed(int view) const override {
    return view == v1::FULL ? row_->full_element : row_->basic_element;
  }
  FieldValue Get(absl::string_view path) const override {
    return fields_.Get(path);
  }

 private:
  const GuestRowPtr row_;
  const GuestFields fields_;
};

}  // namespace

v1::Guest ToBasicView(const v1::Guest& guest) {
  v1::Guest basic;
  basic.set_name(guest.name());
  basic.set_uid(guest.uid());
  basic.set_owner(guest.owner());
  *basic.mutable_labels() = guest.labels();
  basic.mutable_spec()->set_machine(guest.spec().machine());
  basic.mutable_spec()->set_vcpu_count(guest.spec().vcpu_count());
  basic.mutable_spec()->set_memory_bytes(guest.spec().memory_bytes());
  basic.set_host(guest.host());
  basic.set_origin(guest.origin());
  basic.set_state(guest.state());
  basic.set_state_message(guest.state_message());
  if (guest.has_create_time()) {
    *basic.mutable_create_time() = guest.create_time();
  }
  if (guest.has_start_time()) *basic.mutable_start_time() = guest.start_time();
  if (guest.has_observe_time()) {
    *basic.mutable_observe_time() = guest.observe_time();
  }
  basic.set_stale(guest.stale());
  basic.set_unresponsive(guest.unresponsive());
  return basic;
}

GuestRowPtr MakeGuestRow(v1::Guest guest, std::string reported_name) {
  auto row = std::make_shared<GuestRow>();
  row->reported_name = std::move(reported_name);
  if (row->reported_name.empty()) row->reported_name = guest.name();
  row->basic_element = FrameListElement(ToBasicView(guest));
  row->full_element = FrameListElement(guest);
  row->attributes.name = guest.name();
  row->attributes.owner = guest.owner();
  row->attributes.host = guest.host();
  for (const auto& [key, value] : guest.labels()) {
    row->attributes.labels[key] = value;
  }
  row->guest = std::move(guest);
  return row;
}

bool GuestTable::MayHave(const std::string& name,
                         const std::string& uid) const {
  const auto claim = claims_.find(name);
  if (claim != claims_.end() && claim->second != uid) return false;
  const auto taken = by_name_.find(name);
  return taken == by_name_.end() || taken->second->guest.uid() == uid;
}

std::string GuestTable::ShownName(const std::string& name,
                                  const std::string& uid) const {
  if (MayHave(name, uid)) return name;
  const std::string hex = absl::StrReplaceAll(uid, {{"-", ""}});
  std::string shown;
  for (const size_t digits : {size_t{6}, size_t{12}, size_t{32}}) {
    // What is shown is an id, too: no longer than one may be.
    shown = absl::StrCat(name.substr(0, kMaxName - 1 - digits), "-",
                         hex.substr(0, digits));
    if (MayHave(shown, uid)) break;
  }
  return shown;
}

void GuestTable::Insert(const GuestRowPtr& row) {
  by_name_[row->guest.name()] = row;
  by_uid_[row->guest.uid()] = row;
  snapshot_ = nullptr;
}

void GuestTable::Erase(const GuestRowPtr& row) {
  // The pointers in the maps may be the last ones, and `row` one of them.
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
  const GuestRowPtr keep = row;
  by_name_.erase(keep->guest.name());
  by_uid_.erase(keep->guest.uid());
  snapshot_ = nullptr;
}

GuestRowPtr GuestTable::Put(v1::Guest guest) {
  absl::MutexLock lock(&mutex_);
  std::string reported_name = guest.name();
  const auto known = by_uid_.find(guest.uid());
  if (known != by_uid_.end()) {
    // The name that it is shown under stays, also when the other's is free.
    guest.set_name(known->second->guest.name());
    Erase(known->second);
  } else {
    guest.set_name(ShownName(reported_name, guest.uid()));
  }
  guest.set_stale(unreachable_.count(guest.host()) != 0);
  GuestRowPtr row = MakeGuestRow(std::move(guest), std::move(reported_name));
  Insert(row);
  return row;
}

GuestTable::Renamed GuestTable::Claim(const std::string& name,
                                      const std::string& uid) {
  absl::MutexLock lock(&mutex_);
  claims_[name] = uid;
  const auto taken = by_name_.find(name);
  if (taken == by_name_.end() || taken->second->guest.uid() == uid) return {};
  Renamed renamed;
  renamed.before = taken->second;
  Erase(renamed.before);
  v1::Guest guest = renamed.before->guest;
  guest.set_name(ShownName(name, guest.uid()));
  renamed.after = MakeGuestRow(std::move(guest), renamed.before->reported_name);
  Insert(renamed.after);
  return renamed;
}

void GuestTable::Unclaim(const std::string& name, absl::string_view uid) {
  absl::MutexLock lock(&mutex_);
  const auto claim = claims_.find(name);
  if (claim != claims_.end() && claim->second == uid) claims_.erase(claim);
}

std::string GuestTable::NameOf(const std::string& name,
                               const std::string& uid) const {
  absl::MutexLock lock(&mutex_);
  const auto known = by_uid_.find(uid);
  return known != by_uid_.end() ? known->second->guest.name()
                                : ShownName(name, uid);
}

GuestRowPtr GuestTable::Remove(absl::string_view uid) {
  absl::MutexLock lock(&mutex_);
  const auto known = by_uid_.find(uid);
  if (known == by_uid_.end()) return nullptr;
  GuestRowPtr row = known->second;
  Erase(row);
  return row;
}

std::vector<GuestRowPtr> GuestTable::SetUnreachable(const std::string& host,
                                                    bool unreachable,
                                                    absl::Time contact) {
  absl::MutexLock lock(&mutex_);
  const bool changed = unreachable ? unreachable_.insert(host).second
                                   : unreachable_.erase(host) != 0;
  std::vector<GuestRowPtr> rows;
  if (!changed) return rows;
  snapshot_ = nullptr;
  for (auto& [unused, row] : by_name_) {
    if (row->guest.host() != host) continue;
    v1::Guest guest = row->guest;
    guest.set_stale(unreachable);
    if (unreachable && contact > absl::InfinitePast()) {
      // Nothing had changed until then: the host would have told.
      const int64_t seconds = absl::ToUnixSeconds(contact);
      if (guest.observe_time().seconds() < seconds) {
        guest.mutable_observe_time()->set_seconds(seconds);
        guest.mutable_observe_time()->set_nanos(0);
      }
    }
    row = MakeGuestRow(std::move(guest), row->reported_name);
    by_uid_[row->guest.uid()] = row;
    rows.push_back(row);
  }
  return rows;
}

std::vector<GuestRowPtr> GuestTable::RetainOnHost(
    const std::string& host, const std::set<std::string>& uids) {
  absl::MutexLock lock(&mutex_);
  std::vector<GuestRowPtr> gone;
  for (const auto& [unused, row] : by_name_) {
    if (row->guest.host() == host && uids.count(row->guest.uid()) == 0) {
      gone.push_back(row);
    }
  }
  for (const GuestRowPtr& row : gone) Erase(row);
  return gone;
}

std::shared_ptr<const GuestSnapshot> GuestTable::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  if (snapshot_ == nullptr) {
    auto snapshot = std::make_shared<GuestSnapshot>();
    snapshot->rows.reserve(by_name_.size());
    std::vector<std::shared_ptr<const ListRow>> listed;
    listed.reserve(by_name_.size());
    for (const auto& [unused, row] : by_name_) {
      snapshot->rows.push_back(row);
      listed.push_back(std::make_shared<ListedGuest>(row));
    }
    snapshot->list = std::make_unique<ListSnapshot>(std::move(listed));
    snapshot->unreachable.assign(unreachable_.begin(), unreachable_.end());
    snapshot_ = std::move(snapshot);
  }
  return snapshot_;
}

GuestRowPtr GuestTable::Find(absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

GuestRowPtr GuestTable::FindByUid(absl::string_view uid) const {
  absl::MutexLock lock(&mutex_);
  const auto found = by_uid_.find(uid);
  return found == by_uid_.end() ? nullptr : found->second;
}

}  // namespace innkeeper
