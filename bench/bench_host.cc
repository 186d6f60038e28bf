#include "bench/bench_host.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/principal.h"
#include "auth/tls_init.h"
#include "base/error.h"
#include "base/file.h"
#include "bench/report.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using google::longrunning::Operation;

constexpr uid_t kAgentUid = 1899000000;
constexpr absl::Duration kPatience = absl::Seconds(60);

std::string NameOf(const std::string& id) { return "guests/" + id; }

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                           const Request&,
                                                           Response*),
                              Stub& stub, const Request& request) {
  grpc::ClientContext context;
  SetTimeout(&context, kPatience);
  Response response;
  const absl::Status status =
      FromGrpcStatus((stub.*method)(&context, request, &response));
  if (!status.ok()) return status;
  return response;
}

void Own(const std::string& path) {
  if (chown(path.c_str(), kAgentUid, kAgentUid) != 0) {
    Require(ErrnoError(errno, path), "chown");
  }
}

TlsFiles Issue(const Pki& pki, const std::string& dir,
               absl::string_view principal, const std::string& name) {
  const Principal who = Require(Principal::Parse(principal), "principal");
  const IssueRequest request = {who, {}, {}, absl::Hours(24)};
  const std::string prefix = absl::StrCat(dir, "/", name);
  Require(WriteCertificate(prefix, Require(pki.Issue(request), "issue")),
          prefix);
  return {"bench", dir + "/ca.pem", prefix + ".pem", prefix + ".key"};
}

}  // namespace

BenchPki::BenchPki(const std::string& dir) {
  Require(InitTls(), "TLS");
  Require(InitPki(dir, "bench"), "PKI");
  const Pki pki = Require(Pki::Open(dir), "PKI");
  server_ = Issue(pki, dir, "host/bench", "server");
  client_ = Issue(pki, dir, "user/bench", "client");
}

std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                       const TlsFiles& files) {
  TlsOptions options;
  options.files = files;
  std::shared_ptr<grpc::Channel> channel =
      Require(MakeChannel(address, options), address);
  if (!channel->WaitForConnected(
          absl::ToChronoTime(absl::Now() + absl::Seconds(20)))) {
    Require(absl::UnavailableError(address), "connect");
  }
  return channel;
}

BenchCaller::BenchCaller(const std::shared_ptr<grpc::Channel>& channel)
    : guests_(v1::Guests::NewStub(channel)),
      operations_(google::longrunning::Operations::NewStub(channel)) {}

void BenchCaller::Finish(const Operation& begun, absl::string_view what) const {
  google::longrunning::WaitOperationRequest request;
  request.set_name(begun.name());
  request.mutable_timeout()->set_seconds(30);
  const Operation ended =
      begun.done()
          ? begun
          : Require(Call(&google::longrunning::Operations::Stub::WaitOperation,
                         *operations_, request),
                    what);
  if (!ended.done() || ended.has_error()) {
    Require(absl::InternalError(ended.error().message()), what);
  }
}

void BenchCaller::Launch(const v1::LaunchGuestRequest& request) const {
  Finish(Require(Call(&v1::Guests::Stub::LaunchGuest, *guests_, request),
                 "LaunchGuest"),
         "launch");
}

void BenchCaller::Stop(const std::string& id) const {
  v1::StopGuestRequest request;
  request.set_name(NameOf(id));
  request.set_force(true);
  Finish(Require(Call(&v1::Guests::Stub::StopGuest, *guests_, request),
                 "StopGuest"),
         "stop");
}

void BenchCaller::Delete(const std::string& id) const {
  v1::DeleteGuestRequest request;
  request.set_name(NameOf(id));
  Finish(Require(Call(&v1::Guests::Stub::DeleteGuest, *guests_, request),
                 "DeleteGuest"),
         "delete");
}

void BenchCaller::Pause(const std::string& id) const {
  if (!TryPause(id)) Require(absl::InternalError(id), "PauseGuest");
}

bool BenchCaller::TryPause(const std::string& id) const {
  v1::PauseGuestRequest request;
  request.set_name(NameOf(id));
  return Call(&v1::Guests::Stub::PauseGuest, *guests_, request).ok();
}

void BenchCaller::Resume(const std::string& id) const {
  v1::ResumeGuestRequest request;
  request.set_name(NameOf(id));
  Require(Call(&v1::Guests::Stub::ResumeGuest, *guests_, request),
          "ResumeGuest");
}

v1::Guest BenchCaller::Get(const std::string& id) const {
  v1::GetGuestRequest request;
  request.set_name(NameOf(id));
  return Require(Call(&v1::Guests::Stub::GetGuest, *guests_, request),
                 "GetGuest");
}

v1::ListGuestsResponse BenchCaller::List() const {
  return Require(
      Call(&v1::Guests::Stub::ListGuests, *guests_, v1::ListGuestsRequest()),
      "ListGuests");
}

int BenchCaller::TryList() const {
  const absl::StatusOr<v1::ListGuestsResponse> response =
      Call(&v1::Guests::Stub::ListGuests, *guests_, v1::ListGuestsRequest());
  return response.ok() ? response->guests_size() : -1;
}

RawPlan BenchCaller::Explain(const v1::LaunchGuestRequest& launch) const {
  v1::ExplainLaunchRequest request;
  *request.mutable_launch() = launch;
  const v1::ExplainLaunchResponse response =
      Require(Call(&v1::Guests::Stub::ExplainLaunch, *guests_, request),
              "ExplainLaunch");
  RawPlan plan;
  plan.argv.assign(response.argv().begin(), response.argv().end());
  for (const auto& descriptor : response.descriptors()) {
    plan.descriptors[descriptor.number()] = descriptor.what();
  }
  plan.memory_bytes = launch.guest().spec().memory_bytes();
  return plan;
}

v1::LaunchGuestRequest BenchGuest(const std::string& id,
                                  v1::GuestSpec::Machine machine,
                                  int64_t memory_bytes, bool paused) {
  v1::LaunchGuestRequest request;
  request.set_guest_id(id);
  v1::GuestSpec& spec = *request.mutable_guest()->mutable_spec();
  spec.set_machine(machine);
  spec.set_vcpu_count(1);
  spec.set_memory_bytes(memory_bytes);
  spec.set_start_paused(paused);
  request.mutable_guest()->set_owner("user/bench");
  return request;
}

BenchHost::BenchHost(const std::string& binaries, const std::string& dir,
                     int port)
    : dir_(dir), port_(port) {
  for (const char* const name : {"", "/agent", "/bin", "/pool"}) {
    fs::create_directory(dir_ + name);
  }
  pki_ = std::make_unique<BenchPki>(dir_ + "/pki");
  // What the agent's user can read.
  for (const char* const name : {"ca.pem", "server.pem", "server.key"}) {
    fs::copy_file(absl::StrCat(dir_, "/pki/", name),
                  absl::StrCat(dir_, "/agent/", name));
    Own(absl::StrCat(dir_, "/agent/", name));
  }
  Own(dir_ + "/agent");
  Start(binaries);
  caller_ = std::make_unique<BenchCaller>(Connect(address(), pki_->client()));
}

std::string BenchHost::address() const {
  return absl::StrCat("127.0.0.1:", port_);
}

std::shared_ptr<grpc::Channel> BenchHost::LocalChannel() const {
  return Require(
      MakeLocalChannel(absl::StrCat("unix:", dir_, "/agent/agent.sock")),
      "agent.sock");
}

void BenchHost::Start(const std::string& binaries) {
  for (const std::string name :
       {"agent/innkeeper-agent", "agent/launcher/innkeeper-launcher",
        "agent/keeper/innkeeper-keeper"}) {
    fs::copy_file(absl::StrCat(binaries, "/", name),
                  absl::StrCat(dir_, "/bin", name.substr(name.rfind('/'))));
  }
  const std::string state = dir_ + "/agent";
  Require(WriteFileAtomically(
              dir_ + "/agent.conf",
              absl::StrCat(
                  "name: 'bench'\ntrust_domain: 'bench'\nlisten_addresses: '",
                  address(), "'\nunix_socket: '", state,
                  "/agent.sock'\nstate_directory: '", state, "'\nca_file: '",
                  state, "/ca.pem'\ncertificate_file: '", state,
                  "/server.pem'\nkey_file: '", state,
                  "/server.key'\npools { key: 'main' value: '", dir_,
                  "/pool' }\nbindings { role: 'admin' principal: 'user/bench' "
                  "scope: 'all' }\ncapacity_memory_bytes: 1099511627776\n"
                  "capacity_vcpu_count: 1024\nmax_guests: 1024\n"),
              0644),
          "agent.conf");
  std::vector<std::string> arguments = {
      dir_ + "/bin/innkeeper-launcher",
      absl::StrCat("--instance=bench-", getpid()),
      "--agent=" + dir_ + "/bin/innkeeper-agent",
      absl::StrCat("--agent-user=", kAgentUid, ":", kAgentUid),
      "--run-dir=" + dir_ + "/run",
      "--state-dir=" + dir_ + "/state",
      "--pool=main=" + dir_ + "/pool",
      "--keeper=" + dir_ + "/bin/innkeeper-keeper",
      absl::StrCat("--uid-base=", kAgentUid + 10),
      "--uid-count=4096",
      "--max-guests=1024",
      "--",
      "--config=" + dir_ + "/agent.conf"};
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  launcher_ = fork();
  if (launcher_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    const int log = open((dir_ + "/log").c_str(),
                         O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
}

BenchHost::~BenchHost() {
  const v1::ListGuestsResponse list = caller_->List();
  for (const v1::Guest& guest : list.guests()) {
    const std::string id = guest.name().substr(strlen("guests/"));
    if (guest.state() != v1::Guest::STOPPED &&
        guest.state() != v1::Guest::FAILED) {
      caller_->Stop(id);
    }
    caller_->Delete(id);
  }
  kill(launcher_, SIGTERM);
  waitpid(launcher_, nullptr, 0);
}

pid_t BenchHost::agent_pid() const {
  const absl::StatusOr<std::string> children = ReadFile(
      absl::StrCat("/proc/", launcher_, "/task/", launcher_, "/children"),
      4096);
  if (!children.ok()) return 0;
  for (size_t at = 0; at < children->size();) {
    const size_t end = children->find(' ', at);
    pid_t pid = 0;
    if (!absl::SimpleAtoi(children->substr(at, end - at), &pid)) break;
    std::error_code error;
    const std::string program =
        fs::read_symlink(absl::StrCat("/proc/", pid, "/exe"), error);
    if (program == dir_ + "/bin/innkeeper-agent") return pid;
    if (end == std::string::npos) break;
    at = end + 1;
  }
  return 0;
}

int64_t StatusValue(pid_t pid, absl::string_view key) {
  const std::string text =
      ReadFile(absl::StrCat("/proc/", pid, "/status"), 1 << 16).value_or("");
  const size_t at = text.find(std::string(key));
  return at == std::string::npos ? -1 : atoll(text.c_str() + at + key.size());
}

}  // namespace innkeeper
