#include "auth/tls_init.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <openssl/conf.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "auth/testing/test_pki.h"
#include "auth/tls_credentials.h"
#include "auth/tls_self_test.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

// What the self-test says of a server that is made now.
absl::Status TestFreshServer(const TlsFiles& files) {
  TlsOptions options;
  options.files = files;
  // A server needs something to serve; what, does not matter here.
  grpc::CallbackGenericService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", MakeServerCredentials(options),
                           &port);
  builder.RegisterCallbackGenericService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return absl::InternalError("no server");
  absl::Status status = TlsSelfTest(absl::StrCat("127.0.0.1:", port), files);
  server->Shutdown(std::chrono::system_clock::now());
  return status;
}

// One test, because each step changes the process for good.
TEST(TlsInitTest, OnlyAfterInitDoesTheSelfTestFindNothing) {
  const TestPki pki;
  const std::string dir =
      absl::StrCat(testing::TempDir(), "/tls-init.", getpid());
  const TlsFiles files = pki.Write(dir, pki.Issue("host/h1"));
  // The system's own settings could be strict already.
  ASSERT_EQ(setenv("OPENSSL_CONF", "/dev/null", 1), 0);
  EXPECT_THAT(TestFreshServer(files),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("TLS 1.2")));

  const std::string path = dir + "/openssl.cnf";
  ASSERT_THAT(WriteFileAtomically(path,
                                  "openssl_conf = init\n[init]\nssl_conf = ssl"
                                  "\n[ssl]\nsystem_default = sd\n[sd]\n"
                                  "Protocol = -TLSv1.2\n",
                                  0600),
              IsOk());
  ASSERT_EQ(CONF_modules_load_file(path.c_str(), nullptr, 0), 1);
  EXPECT_THAT(TestFreshServer(files), StatusIs(StatusCode::kFailedPrecondition,
                                               HasSubstr("session ticket")));

  ASSERT_THAT(InitTls(), IsOk());
  EXPECT_THAT(TestFreshServer(files), IsOk());
  EXPECT_THAT(InitTls(), IsOk());
}

}  // namespace
}  // namespace innkeeper
