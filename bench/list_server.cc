// A server that lists guests over mutual TLS, in one of two ways: as the agent
// does (catalogue, gate, acceptor), or bare gRPC that returns the same bytes.
// Prints its address and serves until standard input ends.
#include <stdio.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "auth/authorizer.h"
#include "auth/policy.h"
#include "auth/tls_credentials.h"
#include "auth/tls_init.h"
#include "base/file.h"
#include "bench/report.h"
#include "catalog/guest_list.h"
#include "catalog/guest_table.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "rpc/access_table.h"
#include "rpc/connection_table.h"
#include "rpc/gate.h"
#include "rpc/page_token.h"
#include "rpc/server_runner.h"

ABSL_FLAG(bool, bare, false, "Nothing but gRPC.");
ABSL_FLAG(int, guests, 1000, "How many guests there are.");
ABSL_FLAG(std::string, ca, "", "The roots.");
ABSL_FLAG(std::string, certificate, "", "Ours.");
ABSL_FLAG(std::string, key, "", "Its key.");

namespace innkeeper {
namespace {

constexpr size_t kMaxPem = 1 << 16;

using RawGuests =
    v1::Guests::WithRawCallbackMethod_ListGuests<v1::Guests::CallbackService>;

class BareService final : public RawGuests {
 public:
  explicit BareService(const std::string& bytes)
      : response_(Slices(bytes).data(), 1) {}

  grpc::ServerUnaryReactor* ListGuests(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* /*request*/,
                                       grpc::ByteBuffer* response) override {
    *response = response_;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  static std::vector<grpc::Slice> Slices(const std::string& bytes) {
    return {grpc::Slice(bytes)};
  }

  const grpc::ByteBuffer response_;
};

class ListService final : public RawGuests {
 public:
  ListService(Gate* gate, const GuestList* list) : gate_(*gate), list_(*list) {}

  grpc::ServerUnaryReactor* ListGuests(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override {
    return gate_.RawUnary<v1::ListGuestsRequest>(
        context, request, response,
        [&](const Permit& permit, const v1::ListGuestsRequest& parsed) {
          return list_.List(permit, parsed);
        });
  }

 private:
  Gate& gate_;
  const GuestList& list_;
};

v1::Guest MakeGuest(int i) {
  v1::Guest guest;
  guest.set_name(absl::StrCat("guests/g", i));
  guest.set_uid(absl::StrCat("00000000-0000-4000-8000-", 100000000000 + i));
  guest.set_owner(absl::StrCat("user/tenant-", i % 10));
  guest.set_host("hosts/bench");
  guest.set_origin(v1::Guest::LAUNCHED);
  guest.set_state(v1::Guest::RUNNING);
  guest.mutable_spec()->set_machine(v1::GuestSpec::Q35);
  guest.mutable_spec()->set_vcpu_count(1);
  guest.mutable_spec()->set_memory_bytes(int64_t{1} << 28);
  guest.mutable_create_time()->set_seconds(1700000000 + i);
  guest.mutable_start_time()->set_seconds(1700000000 + i);
  guest.mutable_observe_time()->set_seconds(1700000000 + i);
  guest.set_etag(absl::StrCat("e", i));
  return guest;
}

void ServeUntilEof(const std::string& address) {
  printf("%s\n", address.c_str());
  fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

void ServeBare(GuestTable& table) {
  std::string bytes;
  const auto snapshot = table.Snapshot();
  for (const GuestRowPtr& row : snapshot->rows) {
    bytes += row->basic_element;
  }
  BareService service(bytes);
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs =
      Require(ReadFile(absl::GetFlag(FLAGS_ca), kMaxPem), "roots");
  options.pem_key_cert_pairs.push_back(
      {Require(ReadFile(absl::GetFlag(FLAGS_key), kMaxPem), "key"),
       Require(ReadFile(absl::GetFlag(FLAGS_certificate), kMaxPem),
               "certificate")});
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options),
                           &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ServeUntilEof(absl::StrCat("127.0.0.1:", port));
}

void ServeGated(GuestTable& table) {
  const std::vector<std::string> services = {"innkeeper.v1.Guests"};
  const AccessTable access =
      Require(AccessTable::Create(services), "access rules");
  const Authorizer authorizer(
      Require(Policy::Create({{"admin", "user/bench", "all"}}), "policy"));
  ConnectionTable connections;
  GateCore::Options options;
  options.access = &access;
  options.authorizer = &authorizer;
  options.connections = &connections;
  options.trust_domain = "bench";
  Gate gate(std::move(options));
  const PageTokenSealer sealer(std::string(32, 'k'));
  const GuestList list(&table, &sealer);
  ListService service(&gate, &list);
  ServerRunner::Options run;
  run.tcp_addresses = {"127.0.0.1:0"};
  TlsOptions tls;
  tls.files = {"bench", absl::GetFlag(FLAGS_ca),
               absl::GetFlag(FLAGS_certificate), absl::GetFlag(FLAGS_key)};
  run.credentials = MakeServerCredentials(tls);
  run.services = {&service};
  run.gate = &gate;
  run.access = &access;
  run.connections = &connections;
  const std::unique_ptr<ServerRunner> runner =
      Require(ServerRunner::Start(run), "serve");
  ServeUntilEof(runner->addresses()[0]);
}

void Main() {
  Require(InitTls(), "TLS");
  GuestTable table;
  for (int i = 0; i < absl::GetFlag(FLAGS_guests); ++i) {
    table.Put(MakeGuest(i));
  }
  absl::GetFlag(FLAGS_bare) ? ServeBare(table) : ServeGated(table);
}

}  // namespace
}  // namespace innkeeper

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  innkeeper::Main();
}
