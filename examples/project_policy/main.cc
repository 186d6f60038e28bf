// project_policy SOCKET MAX_MEMORY_MIB: serves until it is killed.
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "examples/project_policy/project_policy.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

int main(int argc, char** argv) {
  const long megabytes = argc == 3 ? strtol(argv[2], nullptr, 10) : 0;
  if (megabytes <= 0 || argv[1][0] != '/') {
    fprintf(stderr, "usage: project_policy SOCKET MAX_MEMORY_MIB\n");
    return 2;
  }
  // The agent reaches the socket by the group that it shares with this process;
  // nobody else reaches it.
  umask(0117);
  ProjectPolicy policy(int64_t{megabytes} << 20);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("unix:") + argv[1],
                           grpc::InsecureServerCredentials());
  builder.RegisterService(&policy);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    fprintf(stderr, "project_policy: cannot listen on %s\n", argv[1]);
    return 1;
  }
  fprintf(stderr, "serving\n");
  server->Wait();
  return 0;
}
