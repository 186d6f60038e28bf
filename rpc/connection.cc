#include "rpc/connection.h"

#include <memory>
#include <utility>

#include "auth/principal.h"

namespace innkeeper {

absl::StatusOr<std::shared_ptr<const Identity>> Connection::GetIdentity(
    absl::AnyInvocable<absl::StatusOr<Identity>()> make) {
  {
    absl::MutexLock lock(&mutex_);
    if (identity_ != nullptr) return identity_;
  }
  // Two calls that come first may both do it; they get the same answer.
  absl::StatusOr<Identity> made = make();
  if (!made.ok()) return made.status();
  auto identity = std::make_shared<const Identity>(*std::move(made));
  SourceLimiter::Slot slot;
  {
    absl::MutexLock lock(&mutex_);
    if (identity_ == nullptr) identity_ = identity;
    std::swap(slot, slot_);
  }
  switch (identity->principal.kind()) {
    case PrincipalKind::kServer:
    case PrincipalKind::kGateway:
      // They carry the calls of many.
      bucket_.SetUnlimited();
      break;
    default:
      break;
  }
  return identity;
}

bool Connection::identified() const {
  absl::MutexLock lock(&mutex_);
  return identity_ != nullptr;
}

}  // namespace innkeeper
