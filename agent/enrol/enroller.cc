#include "agent/enrol/enroller.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/enrolment_token.h"
#include "auth/openssl.h"
#include "auth/pki.h"
#include "auth/tls_credentials.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxTokenBytes = size_t{32} << 10;
constexpr size_t kMaxKeyBytes = size_t{16} << 10;
constexpr absl::Duration kCallTimeout = absl::Seconds(10);

absl::StatusOr<std::string> PrivateKeyPem(EVP_PKEY* key) {
  const Ssl<BIO> bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr ||
      PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr,
                               nullptr) != 1) {
    return Error(absl::StatusCode::kInternal, reason::kInternal,
                 "the new key cannot be written as PEM")
        .Build();
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);  // NOLINT: OpenSSL's.
  return std::string(data, static_cast<size_t>(size));
}

// The key of an enrolment that was begun, or a new one: an agent that died
// before it had its certificate asks again with the same, and is known by it.
absl::StatusOr<Ssl<EVP_PKEY>> MakeOrReadKey(const std::string& path) {
  if (access(path.c_str(), F_OK) == 0) {
    ASSIGN_OR_RETURN(const std::string pem, ReadFile(path, kMaxKeyBytes));
    return ParsePrivateKey(pem);
  }
  Ssl<EVP_PKEY> key(EVP_EC_gen("P-256"));
  ASSIGN_OR_RETURN(const std::string pem, PrivateKeyPem(key.get()));
  RETURN_IF_ERROR(WriteFileAtomically(path, pem, 0600));
  return key;
}

// gRPC takes files; the token's certificate lives in these for one call.
class TokenFiles {
 public:
  static absl::StatusOr<std::unique_ptr<TokenFiles>> Make(
      const std::string& parent, const EnrolmentToken& token) {
    std::string path = absl::StrCat(parent, "/enrol-XXXXXX");
    if (mkdtemp(path.data()) == nullptr) {
      return ErrnoError(errno, absl::StrCat("make ", path));
    }
    std::unique_ptr<TokenFiles> files(new TokenFiles(std::move(path)));
    RETURN_IF_ERROR(WriteFileAtomically(files->Path("ca"), token.ca_pem, 0600));
    RETURN_IF_ERROR(
        WriteFileAtomically(files->Path("chain"), token.chain_pem, 0600));
    RETURN_IF_ERROR(
        WriteFileAtomically(files->Path("key"), token.key_pem, 0600));
    return files;
  }
  ~TokenFiles() {
    for (const char* name : {"ca", "chain", "key"}) unlink(Path(name).c_str());
    rmdir(directory_.c_str());
  }
  std::string Path(const char* name) const {
    return absl::StrCat(directory_, "/", name);
  }

 private:
  explicit TokenFiles(std::string directory)
      : directory_(std::move(directory)) {}
  const std::string directory_;
};

absl::StatusOr<v1::EnrolHostResponse> Ask(const std::string& address,
                                          const TlsOptions& tls,
                                          const v1::EnrolHostRequest& request,
                                          absl::Duration timeout) {
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                   MakeChannel(address, tls));
  const auto stub = v1::Hosts::NewStub(channel);
  grpc::ClientContext context;
  SetTimeout(&context, timeout);
  context.set_wait_for_ready(true);
  v1::EnrolHostResponse response;
  const grpc::Status status = stub->EnrolHost(&context, request, &response);
  if (!status.ok()) return FromGrpcStatus(status);
  return response;
}

bool WorthAnotherTry(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

absl::Status EnrolIfNeeded(const AgentConfig& config, absl::Duration patience) {
  if (access(config.certificate_file.c_str(), F_OK) == 0 ||
      config.enrolment_token_file.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFile(config.enrolment_token_file, kMaxTokenBytes));
  ASSIGN_OR_RETURN(
      const EnrolmentToken token,
      ParseEnrolmentToken(absl::StripAsciiWhitespace(text), absl::Now()));
  ASSIGN_OR_RETURN(const Ssl<EVP_PKEY> key, MakeOrReadKey(config.key_file));
  ASSIGN_OR_RETURN(const std::string csr, MakeSigningRequest(key.get()));
  ASSIGN_OR_RETURN(const std::unique_ptr<TokenFiles> files,
                   TokenFiles::Make(config.state_directory, token));
  TlsOptions tls;
  tls.files = {token.trust_domain, files->Path("ca"), files->Path("chain"),
               files->Path("key")};
  tls.expected.kinds = {PrincipalKind::kServer};
  v1::EnrolHostRequest request;
  request.set_host_id(config.name);
  request.set_certificate_request(csr);
  request.set_address(config.advertised_address);

  absl::StatusOr<v1::EnrolHostResponse> response =
      absl::UnavailableError("no address in the token");
  const absl::Time deadline = absl::Now() + patience;
  // So that each of them is tried.
  const absl::Duration timeout = std::min(
      kCallTimeout, patience / static_cast<int64_t>(token.addresses.size()));
  do {
    for (const std::string& address : token.addresses) {
      response = Ask(address, tls, request, timeout);
      if (response.ok() || !WorthAnotherTry(response.status())) break;
      LogWarning("enrol.try", {{"address", address},
                               {"error", response.status().message()}});
    }
  } while (!response.ok() && WorthAnotherTry(response.status()) &&
           absl::Now() < deadline);
  if (!response.ok() && WorthAnotherTry(response.status())) {
    const std::string tried = absl::StrJoin(token.addresses, ", ");
    return Error(absl::StatusCode::kUnavailable, reason::kHostUnreachable,
                 absl::StrCat("no server of the enrolment token answered at ",
                              tried, ": ", response.status().message(),
                              "; see that it runs and can be reached from "
                              "here, then start the agent again"))
        .With("addresses", tried)
        .Build();
  }
  if (!response.ok()) {
    return Annotate(response.status(),
                    "the cluster did not take this host in; make a new token "
                    "with `inn host token` if this one is spent");
  }
  RETURN_IF_ERROR(
      WriteFileAtomically(config.ca_file, response->ca_bundle(), 0644));
  // Last: while it is missing, enrolment counts as not done.
  RETURN_IF_ERROR(WriteFileAtomically(config.certificate_file,
                                      response->certificate_chain(), 0644));
  LogInfo("enrol.done", {{"host", config.name}});
  return absl::OkStatus();
}

}  // namespace innkeeper
