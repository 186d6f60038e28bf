#include "server/operations/operation_index.h"

#include <algorithm>

namespace innkeeper {
namespace {

std::pair<int64_t, std::string> PositionOf(const ClusterOperation& operation) {
  return {-absl::ToUnixMicros(operation.create_time), operation.name};
}

}  // namespace

void OperationIndex::Put(ClusterOperation operation) {
  const Entry entry =
      std::make_shared<const ClusterOperation>(std::move(operation));
  absl::MutexLock lock(&mutex_);
  Entry& known = by_name_[entry->name];
  if (known != nullptr) {
    if (known->mod_revision >= entry->mod_revision) return;
    by_age_.erase(PositionOf(*known));
  }
  known = entry;
  const Position position = PositionOf(*entry);
  by_age_[position] = entry;
  if (entry->guest.empty()) return;
  Position& last = last_.try_emplace(entry->guest, position).first->second;
  last = std::min(last, position);
}

void OperationIndex::Erase(absl::string_view name, int64_t revision) {
  absl::MutexLock lock(&mutex_);
  const auto known = by_name_.find(name);
  if (known == by_name_.end() || known->second->mod_revision > revision) {
    return;
  }
  const Position position = PositionOf(*known->second);
  const auto last = last_.find(known->second->guest);
  if (last != last_.end() && last->second == position) last_.erase(last);
  by_age_.erase(position);
  by_name_.erase(known);
}

void OperationIndex::ShowStep(absl::string_view name, absl::string_view step) {
  absl::MutexLock lock(&mutex_);
  const auto known = by_name_.find(name);
  if (known == by_name_.end()) return;
  const Entry& before = known->second;
  if (before->done || before->step == step) return;
  auto shown = std::make_shared<ClusterOperation>(*before);
  shown->step = std::string(step);
  by_age_[PositionOf(*shown)] = shown;
  known->second = std::move(shown);
}

OperationIndex::Entry OperationIndex::Find(absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  const auto known = by_name_.find(name);
  return known == by_name_.end() ? nullptr : known->second;
}

OperationIndex::Entry OperationIndex::FindLast(absl::string_view guest) const {
  absl::MutexLock lock(&mutex_);
  const auto last = last_.find(guest);
  return last == last_.end() ? nullptr : by_age_.at(last->second);
}

std::vector<OperationIndex::Entry> OperationIndex::All() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Entry> all;
  all.reserve(by_age_.size());
  for (const auto& [position, entry] : by_age_) all.push_back(entry);
  return all;
}

}  // namespace innkeeper
