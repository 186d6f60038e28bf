#include "rpc/frontend.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/audit_log.h"
#include "auth/authorizer.h"
#include "auth/deny_list.h"
#include "auth/policy.h"
#include "auth/principal.h"
#include "auth/tls_credentials.h"
#include "auth/unix_peer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "rpc/access_table.h"
#include "rpc/gate.h"
#include "rpc/health_service.h"
#include "rpc/page_token.h"
#include "rpc/reflection_service.h"
#include "rpc/server_runner.h"

namespace innkeeper {
namespace {

constexpr const char* kOwnServices[] = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
};

std::string SelfOf(PrincipalKind kind, absl::string_view name) {
  return absl::StrCat(ToString(kind), "/", name);
}

absl::Status CheckIdentity(const TlsFiles& files, PrincipalKind kind,
                           absl::string_view name) {
  ASSIGN_OR_RETURN(const Certificate certificate,
                   CheckTlsFiles(files, TlsRole::kServer, absl::Now()));
  const std::string self = SelfOf(kind, name);
  const std::string subject = certificate.principal.ToString();
  if (subject == self) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
               absl::StrCat(files.certificate_path, " belongs to ", subject,
                            ", not to ", self, "; issue one for ", self))
      .With("file", files.certificate_path);
}

absl::StatusOr<std::shared_ptr<const DenyList>> OpenDenyList(
    const ServingConfig& config) {
  const std::string& path = config.deny_list_file;
  // Only the one in our own directory is made: elsewhere it is somebody's, and
  // that it is missing says that something is wrong.
  if (path == absl::StrCat(config.state_directory, "/deny_list") &&
      access(path.c_str(), F_OK) != 0) {
    RETURN_IF_ERROR(WriteFileAtomically(path, "", 0600));
  }
  auto list = std::make_shared<const DenyList>(path);
  RETURN_IF_ERROR(list->Ready());
  return list;
}

}  // namespace

absl::StatusOr<TlsOptions> Frontend::OpenTls(const ServingConfig& config,
                                             PrincipalKind kind) {
  TlsOptions tls;
  tls.files = {config.trust_domain, config.ca_file, config.certificate_file,
               config.key_file};
  if (!config.listen_addresses.empty()) {
    RETURN_IF_ERROR(CheckIdentity(tls.files, kind, config.name));
  }
  ASSIGN_OR_RETURN(tls.deny_list, OpenDenyList(config));
  return tls;
}

Frontend::Frontend(Options options)
    : options_(std::move(options)),
      self_(SelfOf(options_.kind, options_.config.name)),
      service_names_(options_.services) {
  service_names_.insert(service_names_.end(), std::begin(kOwnServices),
                        std::end(kOwnServices));
  std::sort(service_names_.begin(), service_names_.end());
}

absl::StatusOr<std::unique_ptr<Frontend>> Frontend::Create(Options options) {
  auto frontend = std::unique_ptr<Frontend>(new Frontend(std::move(options)));
  RETURN_IF_ERROR(frontend->Prepare());
  return frontend;
}

std::string Frontend::PathOf(const char* name) const {
  return absl::StrCat(options_.config.state_directory, "/", name);
}

absl::Status Frontend::Prepare() {
  const ServingConfig& config = options_.config;
  ASSIGN_OR_RETURN(Policy rules, Policy::Create(config.bindings));
  AuthorizerOptions authorizer;
  authorizer.local_name = config.name;
  if (options_.kind == PrincipalKind::kHost) {
    authorizer.host = absl::StrCat("hosts/", config.name);
  }
  authorizer_ = std::make_unique<Authorizer>(std::move(rules), authorizer);
  ASSIGN_OR_RETURN(AccessTable table, AccessTable::Create(service_names_));
  access_ = std::make_unique<AccessTable>(std::move(table));
  AuditLogOptions audit;
  audit.path = PathOf("audit.jsonl");
  ASSIGN_OR_RETURN(audit_, AuditLog::Open(std::move(audit)));
  ASSIGN_OR_RETURN(PageTokenSealer sealer,
                   PageTokenSealer::FromFile(PathOf("page_token.key")));
  sealer_ = std::make_unique<PageTokenSealer>(std::move(sealer));

  GateCore::Options gate;
  gate.access = access_.get();
  gate.authorizer = authorizer_.get();
  gate.resolver = options_.resolver;
  gate.connections = &connections_;
  gate.trust_domain = config.trust_domain;
  gate.deny_list = options_.tls.deny_list;
  gate.identify_local = [this](uint32_t uid, absl::string_view) {
    return IdentityOfUid(uid, options_.config.name,
                         options_.config.local_users);
  };
  gate.timers = options_.loop;
  gate.audit = [this](const GateDecision& decision) { Audit(decision); };
  gate_ = std::make_unique<Gate>(std::move(gate));
  return absl::OkStatus();
}

void Frontend::Audit(const GateDecision& decision) {
  AuditRecord record;
  record.caller = decision.caller;
  record.delegate = decision.delegate;
  record.address = decision.address;
  record.method = decision.method;
  record.resource = decision.resource;
  record.allowed = decision.outcome.ok();
  record.code = absl::StatusCodeToString(decision.outcome.code());
  record.reason = DetailsOf(decision.outcome).reason;
  const absl::Status appended = audit_->Append(record);
  if (!appended.ok()) {
    LogError("audit.append", {{"error", appended.message()}});
  }
}

absl::Status Frontend::Serve(
    std::vector<std::unique_ptr<grpc::Service>> services) {
  services_ = std::move(services);
  auto health = std::make_unique<HealthService>(gate(), service_names_);
  health_ = health.get();
  services_.push_back(std::move(health));
  services_.push_back(
      std::make_unique<ReflectionService>(gate(), service_names_));
  services_.push_back(
      std::make_unique<ReflectionAlphaService>(gate(), service_names_));

  const ServingConfig& config = options_.config;
  ServerRunner::Options run;
  run.tcp_addresses = config.listen_addresses;
  if (!config.unix_socket.empty()) run.unix_paths = {config.unix_socket};
  if (!config.listen_addresses.empty()) {
    run.credentials = MakeServerCredentials(options_.tls);
  }
  for (const auto& service : services_) run.services.push_back(service.get());
  run.gate = gate();
  run.access = access_.get();
  run.connections = &connections_;
  ASSIGN_OR_RETURN(runner_, ServerRunner::Start(run));
  health_->SetAllServing(true);
  for (const std::string& address : runner_->addresses()) {
    LogInfo(absl::StrCat(options_.noun, ".serving"),
            {{"name", self_}, {"address", address}});
  }
  return absl::OkStatus();
}

Frontend::~Frontend() { Stop(absl::ZeroDuration()); }

void Frontend::Stop(absl::Duration grace) {
  if (runner_ == nullptr) return;
  health_->SetAllServing(false);
  runner_->Stop(grace);
}

}  // namespace innkeeper
