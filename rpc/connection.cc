#include "rpc/connection.h"

#include <memory>
#include <utility>

#include "auth/principal.h"

namespace innkeeper {

absl::StatusOr<std::shared_ptr<const VerifiedPeer>> Connection::GetPeer(
    absl::AnyInvocable<absl::StatusOr<VerifiedPeer>()> make) {
  {
    absl::MutexLock lock(&mutex_);
    if (peer_ != nullptr) return peer_;
  }
  // Two calls that come first may both do it; they get the same answer.
  absl::StatusOr<VerifiedPeer> made = make();
  if (!made.ok()) return made.status();
  auto peer = std::make_shared<const VerifiedPeer>(*std::move(made));
  SourceLimiter::Slot slot;
  {
    absl::MutexLock lock(&mutex_);
    if (peer_ == nullptr) peer_ = peer;
    std::swap(slot, slot_);
  }
  switch (peer->identity.principal.kind()) {
    case PrincipalKind::kServer:
    case PrincipalKind::kGateway:
      // They carry the calls of many.
      bucket_.SetUnlimited();
      break;
    default:
      break;
  }
  return peer;
}

bool Connection::identified() const {
  absl::MutexLock lock(&mutex_);
  return peer_ != nullptr;
}

}  // namespace innkeeper
