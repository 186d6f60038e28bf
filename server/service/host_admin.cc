#include "server/service/host_admin.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/enrolment_token.h"
#include "auth/pki.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "rpc/timestamp.h"
#include "server/inventory/host_view.h"
#include "server/service/operation_view.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kDefaultLife = absl::Hours(1);
constexpr absl::Duration kShortestLife = absl::Minutes(1);
constexpr absl::Duration kLongestLife = absl::Hours(24);
constexpr size_t kMaxDenyListBytes = size_t{4} << 20;

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat(field, " ", what))
      .Field(field, what);
}

absl::StatusOr<Pki> OpenPki(const std::string& directory) {
  if (!directory.empty()) return Pki::Open(directory);
  return Error(absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
               "this server has no authority for hosts; set pki_directory in "
               "its configuration")
      .Build();
}

absl::Status CheckAddress(const std::string& address) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(address, absl::MaxSplits(':', 1));
  const size_t colon = address.rfind(':');
  const bool good = colon != std::string::npos && colon > 0 &&
                    colon + 1 < address.size() && address.size() <= 300 &&
                    parts.first != "unix";
  if (good) return absl::OkStatus();
  return Invalid("address", "must be HOST:PORT, where the agent listens");
}

// Whether `request`, with the token `id`, is what made `host` a host, once
// more.
bool IsSameEnrolment(const EnrolledHost& host, const std::string& id,
                     const v1::EnrolHostRequest& request) {
  return host.token_id == id && host.address == request.address() &&
         IsRequestFor(request.certificate_request(), host.certificate_chain);
}

// What stock clients look for in the certificate.
void AddNames(const std::string& address, IssueRequest* request) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.size() > 2 && host.front() == '[') {
    host = host.substr(1, host.size() - 2);
  }
  const bool is_ip =
      host.find_first_not_of("0123456789.") == std::string::npos ||
      host.find(':') != std::string::npos;
  (is_ip ? request->ip_addresses : request->dns_names).push_back(host);
}

}  // namespace

absl::StatusOr<v1::CreateEnrolmentTokenResponse> HostAdmin::CreateToken(
    const v1::CreateEnrolmentTokenRequest& request) {
  if (!IsPrincipalName(request.host_id())) {
    return Invalid("host_id", "must match [a-z0-9][a-z0-9._-]{0,62}");
  }
  absl::Duration life = kDefaultLife;
  if (request.has_valid_for()) {
    life = absl::Seconds(request.valid_for().seconds()) +
           absl::Nanoseconds(request.valid_for().nanos());
  }
  if (life < kShortestLife || life > kLongestLife) {
    return Invalid("valid_for", "must be 1 min to 24 h");
  }
  if (parts_.directory->Find(request.host_id()).has_value()) {
    return Error(absl::StatusCode::kAlreadyExists, reason::kHostExists,
                 absl::StrCat("host '", request.host_id(),
                              "' is enrolled already; remove it first"))
        .With("host", absl::StrCat("hosts/", request.host_id()))
        .Build();
  }
  ASSIGN_OR_RETURN(const Pki pki, OpenPki(parts_.pki_directory));
  const std::string id = MakeUuid();
  ASSIGN_OR_RETURN(const Principal bearer,
                   Principal::Parse(absl::StrCat("enrol/", id)));
  ASSIGN_OR_RETURN(const IssuedCertificate issued,
                   pki.Issue({bearer, {}, {}, life}));
  ASSIGN_OR_RETURN(
      const std::string text,
      FormatEnrolmentToken({parts_.addresses, pki.trust_domain(), pki.ca_pem(),
                            issued.chain_pem, issued.key_pem}));
  const absl::Time expire_time = parts_.clock->Now() + life;
  INNKEEPER_FAILPOINT("server.enrol.inviting");
  RETURN_IF_ERROR(parts_.directory->Invite(id, request.host_id(), expire_time));
  INNKEEPER_FAILPOINT("server.enrol.invited");
  v1::CreateEnrolmentTokenResponse response;
  response.set_token(text);
  *response.mutable_expire_time() = ToTimestamp(expire_time);
  return response;
}

absl::StatusOr<v1::EnrolHostResponse> HostAdmin::Enrol(
    const Identity& caller, const v1::EnrolHostRequest& request) {
  const std::string& id = caller.principal.name();
  ASSIGN_OR_RETURN(const Pki pki, OpenPki(parts_.pki_directory));
  v1::EnrolHostResponse response;
  response.set_ca_bundle(pki.ca_pem());
  const std::optional<EnrolledHost> known =
      parts_.directory->Find(request.host_id());
  if (known.has_value() && IsSameEnrolment(*known, id, request)) {
    // The answer was lost on its way. No second certificate: it would outlive
    // the removal of the host.
    response.set_certificate_chain(known->certificate_chain);
    return response;
  }
  RETURN_IF_ERROR(parts_.directory->CheckInvitation(id, request.host_id()));
  RETURN_IF_ERROR(CheckAddress(request.address()));
  ASSIGN_OR_RETURN(const Principal principal,
                   Principal::Parse(absl::StrCat("host/", request.host_id())));
  IssueRequest issue{principal, {}, {}};
  AddNames(request.address(), &issue);
  ASSIGN_OR_RETURN(const IssuedCertificate issued,
                   pki.SignHost(issue, request.certificate_request()));
  EnrolledHost host;
  host.name = request.host_id();
  host.address = request.address();
  host.fingerprint = issued.certificate.fingerprint;
  host.certificate_chain = issued.chain_pem;
  INNKEEPER_FAILPOINT("server.enrol.signed");
  ASSIGN_OR_RETURN(host, parts_.directory->Enrol(id, host));
  INNKEEPER_FAILPOINT("server.enrol.recorded");
  parts_.log->Append("host.enrolled", host.name, caller.principal.ToString(),
                     host.address);
  parts_.inventory->AddHost(host);
  response.set_certificate_chain(issued.chain_pem);
  return response;
}

absl::StatusOr<v1::Host> HostAdmin::SetCordon(const Identity& caller,
                                              absl::string_view name,
                                              bool cordoned) {
  const std::string id = HostId(name);
  ASSIGN_OR_RETURN(const EnrolledHost host,
                   parts_.directory->SetCordon(id, cordoned));
  parts_.inventory->UpdateHost(host);
  parts_.log->Append(cordoned ? "host.cordoned" : "host.uncordoned", id,
                     caller.principal.ToString(), "");
  const std::optional<v1::Host> shown = parts_.inventory->FindHost(id);
  if (!shown.has_value()) return HostNotFoundError(id);
  return *shown;
}

absl::Status HostAdmin::Remove(const Identity& caller, absl::string_view name,
                               bool force) {
  const std::string id = HostId(name);
  ASSIGN_OR_RETURN(const std::vector<GuestClaim> guests,
                   parts_.claims->OnHost(id));
  if (!guests.empty() && !force) {
    Error error(absl::StatusCode::kFailedPrecondition, reason::kHostNotEmpty,
                absl::StrCat("host '", id, "' has ", guests.size(),
                             " guests of the cluster; delete them, or force "
                             "the removal"));
    error.With("host", name);
    for (const GuestClaim& guest : guests) {
      error.Precondition(reason::kHostNotEmpty,
                         absl::StrCat("guests/", guest.guest),
                         "is on the host");
    }
    return error;
  }
  const std::optional<EnrolledHost> host = parts_.directory->Find(id);
  if (!host.has_value()) return HostNotFoundError(id);
  // First, so that a host that is half removed is refused rather than trusted.
  RETURN_IF_ERROR(Deny(host->fingerprint, id));
  for (const GuestClaim& guest : guests) {
    RETURN_IF_ERROR(parts_.claims->Release(guest.guest, guest.uid));
  }
  RETURN_IF_ERROR(parts_.directory->Remove(id).status());
  parts_.inventory->RemoveHost(id);
  parts_.log->Append("host.removed", id, caller.principal.ToString(), "");
  return absl::OkStatus();
}

absl::Status HostAdmin::Deny(const std::string& fingerprint,
                             const std::string& host) {
  absl::MutexLock lock(&deny_mutex_);
  ASSIGN_OR_RETURN(std::string lines,
                   ReadFile(parts_.deny_list_file, kMaxDenyListBytes));
  if (!lines.empty() && lines.back() != '\n') lines.push_back('\n');
  absl::StrAppend(&lines, "# host ", host, ", removed\nsha256:", fingerprint,
                  "\n");
  return WriteFileAtomically(parts_.deny_list_file, lines, 0600);
}

}  // namespace innkeeper
