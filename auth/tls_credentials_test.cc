// Mutual TLS as gRPC really does it, over loopback.
#include "auth/tls_credentials.h"

#include <grpc/grpc.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/certificate.h"
#include "auth/certificate_builder.h"
#include "auth/deny_list.h"
#include "auth/openssl.h"
#include "auth/principal.h"
#include "auth/testing/test_pki.h"
#include "auth/tls_init.h"
#include "auth/tls_self_test.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

// Answers every call of any method with OK and counts it: a stranger who
// reaches a handler is seen.
class CountingService : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext*) override {
    class Reactor : public grpc::ServerGenericBidiReactor {
     public:
      Reactor() { Finish(grpc::Status::OK); }
      void OnDone() override { delete this; }
    };
    ++calls_;
    return new Reactor();
  }
  int calls() const { return calls_; }

 private:
  std::atomic<int> calls_{0};
};

class TlsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_THAT(InitTls(), IsOk()); }

  void SetUp() override {
    const testing::TestInfo* info =
        testing::UnitTest::GetInstance()->current_test_info();
    dir_ =
        absl::StrCat(testing::TempDir(), "/tls.", info->name(), ".", getpid());
    ASSERT_EQ(mkdir(dir_.c_str(), 0700), 0);
  }
  void TearDown() override {
    if (server_ != nullptr) {
      server_->Shutdown(std::chrono::system_clock::now());
      server_->Wait();
    }
  }

  TlsFiles Files(const TestCertificate& certificate) {
    return Files(pki_, certificate);
  }
  TlsFiles Files(const TestPki& pki, const TestCertificate& certificate) {
    return pki.Write(absl::StrCat(dir_, "/", ++files_), certificate);
  }

  void Serve(TlsOptions options) {
    server_files_ = options.files;
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", MakeServerCredentials(options),
                             &port);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  void Serve(std::shared_ptr<const DenyList> deny_list = nullptr) {
    TlsOptions options;
    options.files = Files(pki_.Issue("host/h1"));
    options.deny_list = std::move(deny_list);
    Serve(std::move(options));
  }

  // One call on a fresh connection.
  grpc::Status Call(std::shared_ptr<grpc::ChannelCredentials> credentials) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel =
        grpc::CreateCustomChannel(address_, credentials, arguments);
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(5));
    const grpc::Slice empty("");
    grpc::ByteBuffer request(&empty, 1);
    grpc::ByteBuffer response;
    grpc::Status result;
    absl::Notification done;
    stub.UnaryCall(&context, "/test.Service/Method", {}, &request, &response,
                   [&](grpc::Status status) {
                     result = std::move(status);
                     done.Notify();
                   });
    done.WaitForNotification();
    return result;
  }
  grpc::Status CallAs(const TestCertificate& certificate,
                      ExpectedPeer expected = {}) {
    TlsOptions options;
    options.files = Files(certificate);
    options.expected = std::move(expected);
    return Call(MakeChannelCredentials(options));
  }

  // Whether the call reached the handler. The service answers without a
  // message, which a unary client takes for an error of its own.
  bool Reaches(const TestCertificate& certificate) {
    const int before = service_.calls();
    CallAs(certificate);
    return service_.calls() > before;
  }
  // Whether `fact` comes true, for files that are read again within 2.5 s.
  static bool Becomes(const std::function<bool()>& fact) {
    const absl::Time end = absl::Now() + absl::Seconds(15);
    while (absl::Now() < end) {
      if (fact()) return true;
    }
    return false;
  }

  const TestPki pki_;
  std::string dir_;
  int files_ = 0;
  CountingService service_;
  TlsFiles server_files_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(TlsTest, KnownPrincipalsOfEveryKindReachTheHandler) {
  Serve();
  for (const std::string principal : {"user/alice", "service/ci", "host/h2",
                                      "server/s1", "gateway/g1", "enrol/x"}) {
    EXPECT_TRUE(Reaches(pki_.Issue(principal))) << principal;
  }
}

TEST_F(TlsTest, NoStrangerReachesTheHandler) {
  Serve();
  const TestPki other;
  const auto with = [&](const std::function<void(CertificateTemplate*)>& f) {
    CertificateTemplate content = pki_.Template("user/alice");
    f(&content);
    return pki_.Issue(content, "user");
  };
  const struct {
    std::string name;
    TestCertificate certificate;
  } strangers[] = {
      {"wrong CA", other.Issue("user/alice")},
      {"self-signed", pki_.SelfSigned(pki_.Template("user/alice"))},
      {"expired", with([&](CertificateTemplate* c) {
         c->expire_time = pki_.now() - absl::Minutes(1);
       })},
      {"not yet valid", with([&](CertificateTemplate* c) {
         c->start_time = pki_.now() + absl::Hours(1);
       })},
      {"two URIs", with([](CertificateTemplate* c) {
         c->uris.push_back("spiffe://example.test/user/bob");
       })},
      {"common name only", with([](CertificateTemplate* c) {
         c->uris.clear();
         c->common_name = "spiffe://example.test/user/alice";
       })},
      {"DNS only", with([](CertificateTemplate* c) {
         c->uris.clear();
         c->dns_names = {"alice"};
       })},
      {"NUL in the URI", with([](CertificateTemplate* c) {
         c->uris = {std::string("spiffe://example.test/user/alice\0x", 34)};
       })},
      {"wrong role", with([](CertificateTemplate* c) {
         c->extended_key_usage = "serverAuth";
       })},
      {"no role",
       with([](CertificateTemplate* c) { c->extended_key_usage = ""; })},
      {"kind not its issuer's", pki_.Issue(pki_.Template("server/s1"), "user")},
      {"by the root", pki_.Issue(pki_.Template("user/alice"), "root")},
      {"other trust domain", with([](CertificateTemplate* c) {
         c->uris = {"spiffe://other.test/user/alice"};
       })},
  };
  for (const auto& stranger : strangers) {
    const grpc::Status status = CallAs(stranger.certificate);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE)
        << stranger.name << status.error_message();
  }
  EXPECT_EQ(service_.calls(), 0);
  EXPECT_TRUE(Reaches(pki_.Issue("user/alice")));
}

TEST_F(TlsTest, WithoutACertificateNobodyReachesTheHandler) {
  Serve();
  grpc::SslCredentialsOptions nameless;
  nameless.pem_root_certs = pki_.ca_pem();
  grpc::ChannelArguments arguments;
  EXPECT_FALSE(Call(grpc::SslCredentials(nameless)).ok());
  EXPECT_FALSE(Call(grpc::InsecureChannelCredentials()).ok());
  EXPECT_EQ(service_.calls(), 0);
}

TEST_F(TlsTest, ARevokedCertificateIsRefusedAtOnce) {
  const std::string path = dir_ + "/deny";
  ASSERT_THAT(WriteFileAtomically(path, "", 0600), IsOk());
  Serve(std::make_shared<DenyList>(path));
  const TestCertificate alice = pki_.Issue("user/alice");
  ASSERT_TRUE(Reaches(alice));
  const Certificate certificate =
      *ParseCertificate(alice.leaf_pem, kTestTrustDomain);
  ASSERT_THAT(
      WriteFileAtomically(
          path, absl::StrCat("sha256:", certificate.fingerprint, "\n"), 0600),
      IsOk());
  EXPECT_FALSE(Reaches(alice));
  EXPECT_TRUE(Reaches(pki_.Issue("user/alice")));
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_FALSE(Reaches(pki_.Issue("user/alice")));
}

TEST_F(TlsTest, AClientTalksToTheExpectedPeerOnly) {
  Serve();
  const TestCertificate server = pki_.Issue("server/s1");
  const auto reaches = [&](ExpectedPeer expected) {
    const int before = service_.calls();
    CallAs(server, std::move(expected));
    return service_.calls() > before;
  };
  EXPECT_TRUE(reaches({{PrincipalKind::kHost}, {}}));
  EXPECT_TRUE(reaches({{}, *Principal::Parse("host/h1")}));
  EXPECT_FALSE(reaches({{PrincipalKind::kServer}, {}}));
  EXPECT_FALSE(reaches({{}, *Principal::Parse("host/h2")}));
}

TEST_F(TlsTest, AClientRefusesServersOfOtherRoots) {
  const TestPki other;
  TlsOptions options;
  // Trusts our clients, but shows a certificate that no client trusts.
  options.files = Files(other, other.Issue("host/h1"));
  ASSERT_THAT(WriteFileAtomically(options.files.ca_path, pki_.ca_pem(), 0600),
              IsOk());
  Serve(options);
  EXPECT_FALSE(Reaches(pki_.Issue("user/alice")));
}

TEST_F(TlsTest, AUserCannotPoseAsAServer) {
  TlsOptions options;
  CertificateTemplate content = pki_.Template("user/mallory");
  content.extended_key_usage = "clientAuth,serverAuth";
  options.files = Files(pki_.Issue(content, "user"));
  Serve(options);
  const int before = service_.calls();
  CallAs(pki_.Issue("server/s1"), {{PrincipalKind::kHost}, {}});
  EXPECT_EQ(service_.calls(), before);
}

TEST_F(TlsTest, FilesAreSwappedWithoutARestart) {
  const TestPki next;
  TlsOptions options;
  const TlsFiles first = Files(pki_.Issue("host/h1"));
  const TlsFiles second = Files(next, next.Issue("host/h1"));
  const auto target = [](const TlsFiles& files) {
    return files.ca_path.substr(0, files.ca_path.rfind('/'));
  };
  const std::string link = dir_ + "/current";
  ASSERT_EQ(symlink(target(first).c_str(), link.c_str()), 0);
  options.files = TlsFiles{std::string(kTestTrustDomain), link + "/ca.pem",
                           link + "/cert.pem", link + "/key.pem"};
  Serve(options);
  const TestCertificate old_alice = pki_.Issue("user/alice");
  ASSERT_TRUE(Reaches(old_alice));

  const std::string staged = dir_ + "/staged";
  ASSERT_EQ(symlink(target(second).c_str(), staged.c_str()), 0);
  ASSERT_EQ(rename(staged.c_str(), link.c_str()), 0);
  TlsOptions alice;
  alice.files = Files(next, next.Issue("user/alice"));
  EXPECT_TRUE(Becomes([&] {
    const int before = service_.calls();
    Call(MakeChannelCredentials(alice));
    return service_.calls() > before;
  }));
  EXPECT_FALSE(Reaches(old_alice));
}

TEST_F(TlsTest, ClientsOfTls12AreRefused) {
  Serve();
  const TlsFiles files = Files(pki_.Issue("user/alice"));
  const Ssl<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_clear_options(context.get(), SSL_OP_NO_TLSv1_2);
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  ASSERT_EQ(SSL_CTX_use_certificate_chain_file(context.get(),
                                               files.certificate_path.c_str()),
            1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey_file(context.get(), files.key_path.c_str(),
                                        SSL_FILETYPE_PEM),
            1);
  const Ssl<BIO> connection(BIO_new_ssl_connect(context.get()));
  BIO_set_conn_hostname(connection.get(), address_.c_str());
  EXPECT_LE(BIO_do_connect(connection.get()), 0);
  SSL* ssl = nullptr;
  BIO_get_ssl(connection.get(), &ssl);
  EXPECT_FALSE(SSL_is_init_finished(ssl));
}

TEST_F(TlsTest, TheSelfTestPassesOnOurServer) {
  Serve();
  EXPECT_THAT(TlsSelfTest(address_, server_files_), IsOk());
}

TEST_F(TlsTest, TheSelfTestFailsWhereNobodyIsAskedForACertificate) {
  grpc::SslServerCredentialsOptions open;
  const TestCertificate host = pki_.Issue("host/h1");
  open.pem_key_cert_pairs.push_back({host.key_pem, host.chain_pem});
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(open),
                           &port);
  builder.RegisterCallbackGenericService(&service_);
  server_ = builder.BuildAndStart();
  EXPECT_THAT(TlsSelfTest(absl::StrCat("127.0.0.1:", port), Files(host)),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("without a certificate")));
}

TEST_F(TlsTest, TheSelfTestFailsWhereNobodyListens) {
  EXPECT_THAT(TlsSelfTest("127.0.0.1:1", Files(pki_.Issue("host/h1"))),
              StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(TlsSelfTest("localhost", Files(pki_.Issue("host/h1"))),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(TlsTest, GoodFilesSayWhoWeAre) {
  const TlsFiles files = Files(pki_.Issue("host/h1"));
  for (const TlsRole role : {TlsRole::kClient, TlsRole::kServer}) {
    const auto certificate = CheckTlsFiles(files, role, absl::Now());
    ASSERT_THAT(certificate, IsOk());
    EXPECT_EQ(certificate->principal.ToString(), "host/h1");
  }
}

TEST_F(TlsTest, BadFilesAreNamedWithTheReason) {
  const TestPki other;
  const struct {
    std::function<void(TlsFiles*)> spoil;
    std::string file;
    std::string why;
  } cases[] = {
      {[](TlsFiles* f) { unlink(f->ca_path.c_str()); }, "ca.pem", "No such"},
      {[](TlsFiles* f) { unlink(f->key_path.c_str()); }, "key.pem", "No such"},
      {[](TlsFiles* f) { unlink(f->certificate_path.c_str()); }, "cert.pem",
       "No such"},
      {[](TlsFiles* f) { EXPECT_EQ(truncate(f->ca_path.c_str(), 0), 0); },
       "ca.pem", "no certificate"},
      {[](TlsFiles* f) {
         EXPECT_EQ(truncate(f->certificate_path.c_str(), 300), 0);
       },
       "cert.pem", "malformed"},
      {[](TlsFiles* f) { EXPECT_EQ(truncate(f->key_path.c_str(), 50), 0); },
       "key.pem", "malformed"},
      {[](TlsFiles* f) { chmod(f->key_path.c_str(), 0644); }, "key.pem",
       "everybody"},
      {[&](TlsFiles* f) {
         EXPECT_THAT(WriteFileAtomically(f->key_path,
                                         pki_.Issue("host/h1").key_pem, 0600),
                     IsOk());
       },
       "key.pem", "not the key"},
      {[&](TlsFiles* f) {
         EXPECT_THAT(WriteFileAtomically(f->ca_path, other.ca_pem(), 0600),
                     IsOk());
       },
       "cert.pem", "trusted authority"},
      {[](TlsFiles* f) { f->trust_domain = "other.test"; }, "cert.pem",
       "trust domain"},
  };
  for (const auto& c : cases) {
    TlsFiles files = Files(pki_.Issue("host/h1"));
    c.spoil(&files);
    EXPECT_THAT(CheckTlsFiles(files, TlsRole::kServer, absl::Now()),
                StatusIs(StatusCode::kFailedPrecondition,
                         testing::AllOf(HasSubstr(c.file), HasSubstr(c.why))));
  }
}

TEST_F(TlsTest, AUsersFilesMakeNoServer) {
  EXPECT_THAT(
      CheckTlsFiles(Files(pki_.Issue("user/alice")), TlsRole::kServer,
                    absl::Now()),
      StatusIs(StatusCode::kFailedPrecondition, HasSubstr("not for servers")));
}

TEST_F(TlsTest, ExpiredFilesAreFoundByTheGivenTime) {
  const TlsFiles files = Files(pki_.Issue("host/h1"));
  EXPECT_THAT(
      CheckTlsFiles(files, TlsRole::kServer, absl::Now() + absl::Hours(25)),
      StatusIs(StatusCode::kFailedPrecondition, HasSubstr("expired")));
}

}  // namespace
}  // namespace innkeeper
