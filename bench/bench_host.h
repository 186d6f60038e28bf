// A host under measurement: its own PKI, launcher and agent, release build.
#ifndef INNKEEPER_BENCH_BENCH_HOST_H_
#define INNKEEPER_BENCH_BENCH_HOST_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "auth/pki.h"
#include "auth/tls_credentials.h"
#include "bench/raw_qemu.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "grpcpp/channel.h"
#include "innkeeper/v1/guests.grpc.pb.h"

namespace innkeeper {

// A certificate authority and the files of two parties, below `dir`.
class BenchPki {
 public:
  explicit BenchPki(const std::string& dir);
  const TlsFiles& server() const { return server_; }
  const TlsFiles& client() const { return client_; }

 private:
  TlsFiles server_;
  TlsFiles client_;
};

// A kept mutual TLS connection to `address`, opened.
std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                       const TlsFiles& files);

// One caller. Each call blocks; what fails ends the program. Thread-safe.
class BenchCaller {
 public:
  explicit BenchCaller(const std::shared_ptr<grpc::Channel>& channel);

  // Until the guest runs (or is PAUSED, if it starts so).
  void Launch(const v1::LaunchGuestRequest& request) const;
  // By force, until the operation is done.
  void Stop(const std::string& id) const;
  void Delete(const std::string& id) const;
  void Pause(const std::string& id) const;
  void Resume(const std::string& id) const;
  // Whether a Pause was answered without an error.
  bool TryPause(const std::string& id) const;
  v1::Guest Get(const std::string& id) const;
  v1::ListGuestsResponse List() const;
  // -1: no answer.
  int TryList() const;
  RawPlan Explain(const v1::LaunchGuestRequest& launch) const;

 private:
  void Finish(const google::longrunning::Operation& begun,
              absl::string_view what) const;

  std::unique_ptr<v1::Guests::Stub> guests_;
  std::unique_ptr<google::longrunning::Operations::Stub> operations_;
};

// A guest of one vCPU without disks.
v1::LaunchGuestRequest BenchGuest(const std::string& id,
                                  v1::GuestSpec::Machine machine,
                                  int64_t memory_bytes, bool paused);

class BenchHost {
 public:
  // Installs the binaries in `binaries` (the build's output) below `dir` and
  // starts them; the agent listens at `port` of the loopback.
  BenchHost(const std::string& binaries, const std::string& dir, int port);
  // Stops every guest, then the host.
  ~BenchHost();
  BenchHost(const BenchHost&) = delete;
  BenchHost& operator=(const BenchHost&) = delete;

  const BenchCaller& caller() const { return *caller_; }
  const std::string& dir() const { return dir_; }
  std::string address() const;
  const TlsFiles& client_files() const { return pki_->client(); }
  const TlsFiles& server_files() const { return pki_->server(); }
  // A connection to the agent's unix socket, where the caller is root.
  std::shared_ptr<grpc::Channel> LocalChannel() const;
  // The agent: the launcher's child. 0: there is none.
  pid_t agent_pid() const;

 private:
  void Start(const std::string& binaries);

  std::string dir_;
  int port_;
  std::unique_ptr<BenchPki> pki_;
  pid_t launcher_ = 0;
  std::unique_ptr<BenchCaller> caller_;
};

// "VmRSS:", "Threads:" ... of /proc/PID/status; -1 if there is none.
int64_t StatusValue(pid_t pid, absl::string_view key);

}  // namespace innkeeper

#endif  // INNKEEPER_BENCH_BENCH_HOST_H_
