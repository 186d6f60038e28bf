// bench/list_server as a child.
#ifndef INNKEEPER_BENCH_LIST_SERVER_PROCESS_H_
#define INNKEEPER_BENCH_LIST_SERVER_PROCESS_H_

#include <sys/types.h>

#include <string>

#include "auth/tls_credentials.h"
#include "base/unique_fd.h"

namespace innkeeper {

// What fails ends the program.
class ListServerProcess {
 public:
  // Blocks until it serves `guests` guests; `bare` without Innkeeper.
  ListServerProcess(const std::string& binaries, const TlsFiles& files,
                    bool bare, int guests);
  ~ListServerProcess();
  ListServerProcess(const ListServerProcess&) = delete;
  ListServerProcess& operator=(const ListServerProcess&) = delete;

  const std::string& address() const { return address_; }
  pid_t pid() const { return pid_; }

 private:
  UniqueFd input_;
  std::string address_;
  pid_t pid_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_BENCH_LIST_SERVER_PROCESS_H_
