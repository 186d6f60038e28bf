#include "tests/integration/cluster_lab.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/pki.h"
#include "auth/principal.h"
#include "auth/testing/test_pki.h"
#include "base/file.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "rpc/channel.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using google::longrunning::Operation;

constexpr uid_t kNobody = 65534;
constexpr size_t kMaxLogBytes = size_t{64} << 20;

// What cannot be arranged for a test ends it.
void Check(bool good, absl::string_view what) {
  if (good) return;
  fprintf(stderr, "ClusterLab: %s: %m\n", std::string(what).c_str());
  abort();
}

void Check(const absl::Status& status) {
  Check(status.ok(), status.ToString());
}

void GiveToNobody(const std::string& directory) {
  Check(chown(directory.c_str(), kNobody, kNobody) == 0, directory);
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    Check(chown(entry.path().c_str(), kNobody, kNobody) == 0, directory);
  }
}

void Issue(const std::string& pki_directory, absl::string_view principal,
           const std::string& prefix) {
  const absl::StatusOr<Pki> pki = Pki::Open(pki_directory);
  Check(pki.status());
  const absl::StatusOr<Principal> who = Principal::Parse(principal);
  Check(who.status());
  const absl::StatusOr<IssuedCertificate> issued = pki->Issue({*who, {}, {}});
  Check(issued.status());
  Check(WriteCertificate(prefix, *issued));
}

bool NoAnswer(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsCancelled(status);
}

}  // namespace

absl::StatusOr<Operation> Insist(
    const Caller& caller,
    const std::function<absl::StatusOr<Operation>()>& call) {
  absl::StatusOr<Operation> answer;
  Eventually([&] {
    answer = call();
    if (!NoAnswer(answer.status())) return true;
    // Calls that fail at once leave a channel no thread to connect with.
    caller.channel()->WaitForConnected(std::chrono::system_clock::now() +
                                       absl::ToChronoSeconds(kPatience));
    return false;
  });
  return answer;
}

ClusterLab::ClusterLab() {
  static int labs = 0;
  dir_ = absl::StrCat("/var/tmp/cl-", getpid(), "-", labs++);
  Check(fs::create_directory(dir_), dir_);
  for (const char* const name : {"/bin", "/users", "/server", "/server/tls",
                                 "/server/state", "/server/pki"}) {
    Check(fs::create_directory(dir_ + name), dir_);
  }
  fs::copy_file("server/innkeeper-server", dir_ + "/bin/innkeeper-server");
  const std::string pki = dir_ + "/pki";
  Check(InitPki(pki, kTestTrustDomain));
  Issue(pki, "server/lab", dir_ + "/server/tls/server");
  // All of the authority that a server holds: what enrols hosts.
  for (const char* const file :
       {"/trust_domain", "/ca.pem", "/host-ca.pem", "/host-ca.key"}) {
    fs::copy_file(pki + file, dir_ + "/server/pki" + file);
  }
  fs::copy_file(pki + "/ca.pem", dir_ + "/ca.pem");
  for (const char* const user :
       {"admin", "operator", "viewer", "tenant-a", "tenant-b"}) {
    Issue(pki, absl::StrCat("user/", user),
          absl::StrCat(dir_, "/users/", user));
  }
  WriteConfig();
  GiveToNobody(dir_ + "/server");
}

ClusterLab::~ClusterLab() {
  StopServer();
  hosts_.clear();
  if (testing::Test::HasFailure()) {
    const std::string log = Log();
    const size_t kTail = 20000;
    fprintf(stderr, "--- the log of the server\n%s---\n",
            log.c_str() + (log.size() > kTail ? log.size() - kTail : 0));
  }
  fs::remove_all(dir_);
}

void ClusterLab::WriteConfig() const {
  const std::string server = dir_ + "/server";
  std::string text = absl::StrReplaceAll(
      "name: 'lab'\n"
      "trust_domain: 'DOMAIN'\n"
      "listen_addresses: 'ADDRESS'\n"
      "state_directory: 'SERVER/state'\n"
      "ca_file: 'SERVER/pki/ca.pem'\n"
      "certificate_file: 'SERVER/tls/server.pem'\n"
      "key_file: 'SERVER/tls/server.key'\n"
      "pki_directory: 'SERVER/pki'\n",
      {{"DOMAIN", kTestTrustDomain},
       {"ADDRESS", address()},
       {"SERVER", server}});
  for (const char* const binding :
       {"admin user/admin all", "operator user/operator all",
        "viewer user/viewer all", "owner user/tenant-a own",
        "owner user/tenant-b own"}) {
    const std::vector<std::string> part = absl::StrSplit(binding, ' ');
    absl::StrAppend(&text, "bindings { role: '", part[0], "' principal: '",
                    part[1], "' scope: '", part[2], "' }\n");
  }
  std::ofstream file(server + "/server.conf");
  file << text;
  file.close();
  Check(file.good(), "server.conf");
}

absl::Status ClusterLab::Start(int hosts, int64_t memory_bytes, int vcpus) {
  absl::Status status = StartServer();
  for (int i = 0; i < hosts && status.ok(); ++i) {
    Lab& host = AddHost();
    host.SetCapacity(memory_bytes, vcpus);
    const absl::StatusOr<std::string> token = MakeToken(host);
    if (!token.ok()) return token.status();
    Join(host, *token);
    status = host.Start();
  }
  if (!status.ok()) return status;
  const bool up = Eventually([&] {
    const absl::StatusOr<std::vector<v1::Host>> listed = Hosts();
    return listed.ok() && std::all_of(listed->begin(), listed->end(),
                                      [](const v1::Host& host) {
                                        return host.state() == v1::Host::UP;
                                      });
  });
  return up ? absl::OkStatus()
            : absl::DeadlineExceededError("not every host comes up");
}

absl::Status ClusterLab::StartServer() {
  const std::string binary = dir_ + "/bin/innkeeper-server";
  const std::string config =
      absl::StrCat("--config=", dir_, "/server/server.conf");
  const std::string log = dir_ + "/log";
  const std::string reached = dir_ + "/server/reached";
  const size_t log_start = Log().size();
  server_ = fork();
  Check(server_ >= 0, "fork");
  if (server_ == 0) {
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    if (!failpoint_.empty()) {
      setenv("INNKEEPER_FAILPOINT", failpoint_.c_str(), 1);
      setenv("INNKEEPER_FAILPOINT_LOG", reached.c_str(), 1);
    }
    if (setgroups(0, nullptr) != 0 ||
        setresgid(kNobody, kNobody, kNobody) != 0 ||
        setresuid(kNobody, kNobody, kNobody) != 0) {
      _exit(126);
    }
    // Even a test that is killed must not leave its server.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    execl(binary.c_str(), binary.c_str(), config.c_str(), nullptr);
    _exit(127);
  }
  failpoint_.clear();
  bool serves = false;
  Eventually([&] {
    serves = Log().find("server.serving", log_start) != std::string::npos;
    return serves || HasEnded();
  });
  return serves ? absl::OkStatus()
                : absl::UnavailableError("the server does not come up");
}

bool ClusterLab::HasEnded() {
  if (server_ != 0 && waitpid(server_, nullptr, WNOHANG) == server_) {
    server_ = 0;
  }
  return server_ == 0;
}

void ClusterLab::KillServer() {
  if (server_ == 0) return;
  kill(server_, SIGKILL);
  waitpid(server_, nullptr, 0);
  server_ = 0;
}

void ClusterLab::StopServer() {
  if (server_ == 0) return;
  kill(server_, SIGTERM);
  int status = -1;
  const bool ended =
      Eventually([&] { return waitpid(server_, &status, WNOHANG) != 0; });
  EXPECT_TRUE(ended) << "the server does not stop";
  if (ended) {
    EXPECT_EQ(status, 0) << "the server did not stop as it should";
  } else {
    kill(server_, SIGKILL);
    waitpid(server_, nullptr, 0);
  }
  server_ = 0;
}

void ClusterLab::ArmFailpoint(const std::string& failpoint) {
  fs::remove(dir_ + "/server/reached");
  failpoint_ = failpoint;
}

bool ClusterLab::FailpointReached() {
  return fs::exists(dir_ + "/server/reached") && HasEnded();
}

std::vector<std::string> ClusterLab::ServerFailpoints() {
  return FailpointsOf("server/innkeeper-server");
}

Lab& ClusterLab::AddHost() {
  hosts_.push_back(std::make_unique<Member>());
  hosts_.back()->lab = std::make_unique<Lab>();
  hosts_.back()->lab->UseFakeQemu();
  return *hosts_.back()->lab;
}

absl::StatusOr<std::string> ClusterLab::MakeToken(const Lab& host) const {
  const Caller admin = As("user/admin");
  v1::CreateEnrolmentTokenRequest request;
  request.set_host_id(host.name());
  const absl::StatusOr<v1::CreateEnrolmentTokenResponse> made = admin.Call(
      &v1::Hosts::Stub::CreateEnrolmentToken, admin.hosts(), request);
  if (!made.ok()) return made.status();
  return made->token();
}

void ClusterLab::Join(Lab& host, const std::string& token) {
  const auto member = std::find_if(
      hosts_.begin(), hosts_.end(),
      [&](const auto& candidate) { return candidate->lab.get() == &host; });
  Check(member != hosts_.end(), "not a host of this cluster");
  host.Join(token, (*member)->port.number());
}

absl::StatusOr<std::vector<v1::Host>> ClusterLab::Hosts() const {
  const Caller admin = As("user/admin");
  const absl::StatusOr<v1::ListHostsResponse> listed = admin.Call(
      &v1::Hosts::Stub::ListHosts, admin.hosts(), v1::ListHostsRequest());
  if (!listed.ok()) return listed.status();
  return std::vector<v1::Host>(listed->hosts().begin(), listed->hosts().end());
}

std::vector<std::string> ClusterLab::Leftovers() const {
  std::vector<std::string> left;
  for (const auto& member : hosts_) {
    for (std::string& one : member->lab->Leftovers()) {
      left.push_back(std::move(one));
    }
  }
  return left;
}

Caller ClusterLab::As(absl::string_view principal) const {
  TlsOptions options;
  options.files = FilesOf(principal);
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
      MakeChannel(address(), options);
  Check(channel.status());
  return Caller(*std::move(channel));
}

std::string ClusterLab::address() const {
  return absl::StrCat("127.0.0.1:", port_.number());
}

TlsFiles ClusterLab::FilesOf(absl::string_view principal) const {
  const std::vector<std::string> parts = absl::StrSplit(principal, '/');
  const std::string prefix = absl::StrCat(dir_, "/users/", parts.back());
  return {std::string(kTestTrustDomain), dir_ + "/ca.pem", prefix + ".pem",
          prefix + ".key"};
}

std::string ClusterLab::Log() const {
  return ReadFile(dir_ + "/log", kMaxLogBytes).value_or("");
}

}  // namespace innkeeper
