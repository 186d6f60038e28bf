// A whole cluster, as deploy/quickstart makes it: an authority, a server, hosts
// that came in by one-time tokens, everything over mutual TLS.
#ifndef INNKEEPER_TESTS_INTEGRATION_CLUSTER_LAB_H_
#define INNKEEPER_TESTS_INTEGRATION_CLUSTER_LAB_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "auth/tls_credentials.h"
#include "innkeeper/v1/hosts.pb.h"
#include "tests/integration/caller.h"
#include "tests/integration/lab.h"
#include "tests/integration/reserved_port.h"

namespace innkeeper {

// Repeats `call`, which `caller` makes, while no server answers it, for at most
// kPatience.
absl::StatusOr<google::longrunning::Operation> Insist(
    const Caller& caller,
    const std::function<absl::StatusOr<google::longrunning::Operation>()>&
        call);

// Needs root; the server runs as nobody. The same users and roles as in a Lab.
// The destructor stops the server and then the hosts, whose own destructors
// look for what is left. Not thread-safe, but for As and what Callers do.
class ClusterLab {
 public:
  ClusterLab();
  ~ClusterLab();
  ClusterLab(const ClusterLab&) = delete;
  ClusterLab& operator=(const ClusterLab&) = delete;

  // Starts the server, and `hosts` hosts whose guests run tests/fake_qemu and
  // may have `memory_bytes` and `vcpus` in all; returns once all are up.
  absl::Status Start(int hosts, int64_t memory_bytes = int64_t{8} << 30,
                     int vcpus = 64);

  // Returns once the server answers. UNAVAILABLE if it ends before it does.
  absl::Status StartServer();
  // SIGKILL; returns once it is gone.
  void KillServer();
  // The next server that starts dies at `failpoint`; "NAME#3" is the third time
  // that it gets there.
  void ArmFailpoint(const std::string& failpoint);
  // Whether it died there: StartServer brings another one.
  bool FailpointReached();
  // Every failpoint of the server's binary.
  static std::vector<std::string> ServerFailpoints();

  // A host that has not been told of the cluster. Owned by the cluster.
  Lab& AddHost();
  // A one-time token for `host`, from the server.
  absl::StatusOr<std::string> MakeToken(const Lab& host) const;
  // Gives `host`, which must not have been started, its token.
  void Join(Lab& host, const std::string& token);

  int size() const { return static_cast<int>(hosts_.size()); }
  Lab& host(int index) { return *hosts_[index]->lab; }
  // As the server lists them.
  absl::StatusOr<std::vector<v1::Host>> Hosts() const;
  // What is left of guests on all hosts.
  std::vector<std::string> Leftovers() const;

  // At the server, on a connection of its own.
  Caller As(absl::string_view principal) const;
  std::string address() const;
  // The certificate, key and roots of `principal`.
  TlsFiles FilesOf(absl::string_view principal) const;

 private:
  struct Member {
    ReservedPort port;
    std::unique_ptr<Lab> lab;
  };

  void WriteConfig() const;
  // Whether there is no server; reaps it.
  bool HasEnded();
  // Fails the test if it does not end well.
  void StopServer();
  std::string Log() const;

  std::string dir_;
  const ReservedPort port_;
  pid_t server_ = 0;
  std::string failpoint_;  // Of the next server; may be empty.
  std::vector<std::unique_ptr<Member>> hosts_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_TESTS_INTEGRATION_CLUSTER_LAB_H_
