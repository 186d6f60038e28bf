#include "rpc/connection.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "auth/principal.h"
#include "rpc/token_bucket.h"

namespace innkeeper {

Connection::Connection(std::string address, std::string listener,
                       std::optional<UnixPeer> unix_peer,
                       absl::string_view source, SourceLimiter::Slot slot,
                       std::shared_ptr<BucketTable> buckets)
    : address_(std::move(address)),
      listener_(std::move(listener)),
      unix_peer_(unix_peer),
      buckets_(std::move(buckets)),
      pace_(buckets_->Of(absl::StrCat("source ", source), SteadyNow())),
      slot_(std::move(slot)) {
  // What comes by a unix socket comes from this machine and costs nobody else.
  if (unix_peer_.has_value()) pace_.SetUnlimited();
}

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
      pace_.SetUnlimited();
      break;
    default:
      pace_.Share(
          buckets_->Of(peer->identity.principal.ToString(), SteadyNow()));
      break;
  }
  return peer;
}

bool Connection::identified() const {
  absl::MutexLock lock(&mutex_);
  return peer_ != nullptr;
}

}  // namespace innkeeper
