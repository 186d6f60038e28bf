#include "server/hosts/host_directory.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "server/hosts/host_storage.pb.h"
#include "server/store/keys.h"
#include "server/store/settled_commit.h"

namespace innkeeper {
namespace {

namespace storage = server::hosts::v1;

absl::Status TokenRefused(absl::string_view why) {
  return Error(absl::StatusCode::kPermissionDenied,
               reason::kEnrolmentTokenRefused,
               absl::StrCat("the enrolment token ", why,
                            "; make another one with `inn host token`"));
}

std::string Serialize(const EnrolledHost& host) {
  storage::EnrolledHost stored;
  stored.set_address(host.address);
  stored.set_fingerprint(host.fingerprint);
  stored.set_enrolment_number(host.enrolment_number);
  stored.set_enrol_time_us(absl::ToUnixMicros(host.enrol_time));
  stored.set_token_id(host.token_id);
  stored.set_certificate_chain(host.certificate_chain);
  return stored.SerializeAsString();
}

absl::Status Damaged(const KeyValue& kv) {
  return Error(absl::StatusCode::kDataLoss, reason::kInternal,
               absl::StrCat(kv.key, " in the store cannot be read"))
      .With("key", kv.key);
}

absl::StatusOr<EnrolledHost> Parse(const KeyValue& kv) {
  storage::EnrolledHost stored;
  const std::optional<std::string> name = keys::IdIn(keys::kHosts, kv.key);
  if (!name.has_value() || !stored.ParseFromString(kv.value)) {
    return Damaged(kv);
  }
  EnrolledHost host;
  host.name = *name;
  host.address = stored.address();
  host.fingerprint = stored.fingerprint();
  host.enrolment_number = stored.enrolment_number();
  host.enrol_time = absl::FromUnixMicros(stored.enrol_time_us());
  host.token_id = stored.token_id();
  host.certificate_chain = stored.certificate_chain();
  return host;
}

}  // namespace

absl::Status HostNotFoundError(absl::string_view host) {
  return Error(absl::StatusCode::kNotFound, reason::kHostNotFound,
               absl::StrCat("host '", host, "' does not exist"))
      .With("host", absl::StrCat("hosts/", host));
}

absl::StatusOr<std::unique_ptr<HostDirectory>> HostDirectory::Create(
    Store* store, const Clock* clock) {
  auto directory = absl::WrapUnique(new HostDirectory(store, clock));
  RETURN_IF_ERROR(directory->Load());
  return directory;
}

absl::Status HostDirectory::Load() {
  ASSIGN_OR_RETURN(const ListResult stored, store_->ListAll(keys::kHosts));
  std::map<std::string, EnrolledHost, std::less<>> hosts;
  for (const KeyValue& kv : stored.kvs) {
    ASSIGN_OR_RETURN(EnrolledHost host, Parse(kv));
    ASSIGN_OR_RETURN(const GetResult cordon,
                     store_->Get(keys::Cordon(host.name)));
    host.cordoned = cordon.kv.has_value();
    hosts.emplace(host.name, std::move(host));
  }
  absl::MutexLock lock(&mutex_);
  hosts_ = std::move(hosts);
  return absl::OkStatus();
}

std::optional<EnrolledHost> HostDirectory::Find(absl::string_view host) const {
  absl::MutexLock lock(&mutex_);
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return std::nullopt;
  return found->second;
}

std::vector<EnrolledHost> HostDirectory::All() const {
  absl::MutexLock lock(&mutex_);
  std::vector<EnrolledHost> all;
  all.reserve(hosts_.size());
  for (const auto& [name, host] : hosts_) all.push_back(host);
  return all;
}

absl::Status HostDirectory::ForgetExpired() {
  ASSIGN_OR_RETURN(const ListResult stored, store_->ListAll(keys::kEnrolments));
  Txn txn;
  for (const KeyValue& kv : stored.kvs) {
    storage::Enrolment enrolment;
    if (!enrolment.ParseFromString(kv.value)) return Damaged(kv);
    if (absl::FromUnixMicros(enrolment.expire_time_us()) < clock_->Now() &&
        txn.deletes.size() < kMaxTxnOps) {
      txn.DeleteKey(kv.key);
    }
  }
  if (txn.deletes.empty()) return absl::OkStatus();
  return store_->Commit(txn).status();
}

absl::Status HostDirectory::Invite(absl::string_view id, absl::string_view host,
                                   absl::Time expire_time) {
  RETURN_IF_ERROR(ForgetExpired());
  storage::Enrolment enrolment;
  enrolment.set_host(std::string(host));
  enrolment.set_expire_time_us(absl::ToUnixMicros(expire_time));
  const std::string key = keys::Enrolment(id);
  Txn txn;
  txn.IfAbsent(key).PutKey(key, enrolment.SerializeAsString());
  return CommitSettled(
             store_, txn, key,
             [](const std::optional<KeyValue>& kv) { return kv.has_value(); })
      .status();
}

absl::StatusOr<int64_t> HostDirectory::FindInvitation(absl::string_view id,
                                                      absl::string_view host) {
  ASSIGN_OR_RETURN(const GetResult stored, store_->Get(keys::Enrolment(id)));
  if (!stored.kv.has_value()) {
    return TokenRefused("was used already or never given out");
  }
  storage::Enrolment enrolment;
  if (!enrolment.ParseFromString(stored.kv->value)) return Damaged(*stored.kv);
  if (enrolment.host() != host) return TokenRefused("is for another host");
  if (absl::FromUnixMicros(enrolment.expire_time_us()) < clock_->Now()) {
    return TokenRefused("has expired");
  }
  return stored.kv->mod_revision;
}

absl::Status HostDirectory::CheckInvitation(absl::string_view id,
                                            absl::string_view host) {
  RETURN_IF_ERROR(FindInvitation(id, host).status());
  if (!Find(host).has_value()) return absl::OkStatus();
  return Error(absl::StatusCode::kAlreadyExists, reason::kHostExists,
               absl::StrCat("host '", host,
                            "' is enrolled already; remove it first"))
      .With("host", absl::StrCat("hosts/", host));
}

absl::StatusOr<EnrolledHost> HostDirectory::Enrol(absl::string_view id,
                                                  EnrolledHost host) {
  RETURN_IF_ERROR(CheckInvitation(id, host.name));
  ASSIGN_OR_RETURN(const int64_t revision, FindInvitation(id, host.name));
  // Revisions only grow, and each invitation has one of its own.
  host.enrolment_number = revision;
  host.enrol_time = clock_->Now();
  host.cordoned = false;
  host.token_id = std::string(id);
  const std::string key = keys::Host(host.name);
  const std::string value = Serialize(host);
  Txn txn;
  txn.IfModRevision(keys::Enrolment(id), revision)
      .IfAbsent(key)
      .DeleteKey(keys::Enrolment(id))
      .DeleteKey(keys::Cordon(host.name))
      .PutKey(key, value);
  ASSIGN_OR_RETURN(
      const TxnResult result,
      CommitSettled(store_, txn, key, [&](const std::optional<KeyValue>& kv) {
        return kv.has_value() && kv->value == value;
      }));
  if (!result.committed) {
    return TokenRefused("was used by another call at the same time");
  }
  absl::MutexLock lock(&mutex_);
  hosts_[host.name] = host;
  return host;
}

absl::StatusOr<EnrolledHost> HostDirectory::Remove(absl::string_view host) {
  const std::optional<EnrolledHost> known = Find(host);
  if (!known.has_value()) return HostNotFoundError(host);
  Txn txn;
  txn.IfExists(keys::Host(host))
      .DeleteKey(keys::Host(host))
      .DeleteKey(keys::Cordon(host));
  RETURN_IF_ERROR(CommitSettled(store_, txn, keys::Host(host),
                                [](const std::optional<KeyValue>& kv) {
                                  return !kv.has_value();
                                })
                      .status());
  absl::MutexLock lock(&mutex_);
  hosts_.erase(known->name);
  return *known;
}

absl::StatusOr<EnrolledHost> HostDirectory::SetCordon(absl::string_view host,
                                                      bool cordoned) {
  std::optional<EnrolledHost> known = Find(host);
  if (!known.has_value()) return HostNotFoundError(host);
  Txn txn;
  txn.IfExists(keys::Host(host));
  if (cordoned) {
    txn.PutKey(keys::Cordon(host), "1");
  } else {
    txn.DeleteKey(keys::Cordon(host));
  }
  ASSIGN_OR_RETURN(const TxnResult result, store_->Commit(txn));
  if (!result.committed) return HostNotFoundError(host);
  absl::MutexLock lock(&mutex_);
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return HostNotFoundError(host);
  found->second.cordoned = cordoned;
  return found->second;
}

}  // namespace innkeeper
