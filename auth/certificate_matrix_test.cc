// The certificate matrix: certificates that are wrong in one respect, and those
// that must pass although they look odd.
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/certificate_builder.h"
#include "auth/certificate_verifier.h"
#include "auth/openssl.h"
#include "auth/testing/test_pki.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;

const TestPki& Pki() {
  static const auto* const kPki = new TestPki();
  return *kPki;
}

std::string TempPath(absl::string_view name) {
  return absl::StrCat(testing::TempDir(), "/", name, ".", getpid());
}

// A verifier of servers' clients, unless told otherwise.
CertificateVerifier MakeVerifier(CertificateVerifierOptions options = {}) {
  static const std::string* const kCaPath = [] {
    auto* path = new std::string(TempPath("matrix-ca.pem"));
    EXPECT_THAT(WriteFileAtomically(*path, Pki().ca_pem(), 0600), IsOk());
    return path;
  }();
  options.trust_domain = std::string(kTestTrustDomain);
  options.ca_path = *kCaPath;
  return CertificateVerifier(std::move(options));
}

absl::Status Extension(X509* x509, int nid, const char* value,
                       bool twice = false) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, x509, x509, nullptr, nullptr, 0);
  const Ssl<X509_EXTENSION> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  if (extension == nullptr) return OpenSslError(value);
  for (int i = 0; i < (twice ? 2 : 1); ++i) {
    X509_add_ext(x509, extension.get(), -1);
  }
  return absl::OkStatus();
}

absl::Status Unknown(X509* x509, bool critical) {
  const Ssl<ASN1_STRING> value(ASN1_STRING_type_new(V_ASN1_OCTET_STRING));
  ASN1_STRING_set(value.get(), "\x05\x00", 2);
  ASN1_OBJECT* oid = OBJ_txt2obj("1.2.3.4.5.6", 1);
  const Ssl<X509_EXTENSION> extension(X509_EXTENSION_create_by_OBJ(
      nullptr, oid, critical ? 1 : 0, value.get()));
  X509_add_ext(x509, extension.get(), -1);
  ASN1_OBJECT_free(oid);
  return absl::OkStatus();
}

CertificateTemplate Alice() { return Pki().Template("user/alice"); }

CertificateTemplate WithUri(const std::string& uri) {
  CertificateTemplate content = Alice();
  content.uris = {uri};
  return content;
}

CertificateTemplate With(
    const std::function<void(CertificateTemplate*)>& change) {
  CertificateTemplate content = Alice();
  change(&content);
  return content;
}

CertificateTemplate Adjusted(std::function<absl::Status(X509*)> adjust) {
  CertificateTemplate content = Alice();
  content.adjust = std::move(adjust);
  return content;
}

TestCertificate ByUserCa(const CertificateTemplate& content) {
  return Pki().Issue(content, "user");
}

TestCertificate WithKey(EVP_PKEY* key) {
  const Ssl<EVP_PKEY> owned(key);
  return Pki().Issue(Alice(), "user", owned.get());
}

struct Variant {
  std::string name;
  std::function<TestCertificate()> make;
  std::string why;  // Part of the message.
};

std::string Uri(absl::string_view rest) {
  return absl::StrCat("spiffe://example.test/", rest);
}

std::vector<Variant> UriVariants() {
  const std::string trust = "not a name of this trust domain";
  std::vector<Variant> variants;
  const auto add = [&](const std::string& name, const std::string& uri,
                       const std::string& why) {
    variants.push_back({name, [uri] { return ByUserCa(WithUri(uri)); }, why});
  };
  add("UriNul", std::string("spiffe://example.test/user/alice\0.x", 35), trust);
  add("UriEscape", Uri("user/alice%2e"), trust);
  add("UriEscapedSlash", Uri("user%2falice"), trust);
  add("UriUpperScheme", "SPIFFE://example.test/user/alice", trust);
  add("UriUpperDomain", "spiffe://EXAMPLE.test/user/alice", trust);
  add("UriUpperName", Uri("user/Alice"), trust);
  add("UriEmptyPath", "spiffe://example.test", trust);
  add("UriSlashOnly", "spiffe://example.test/", trust);
  add("UriTrailingSlash", Uri("user/alice/"), trust);
  add("UriDoubleSlash", Uri("/user/alice"), trust);
  add("UriDeep", Uri("user/alice/x"), trust);
  add("UriPort", "spiffe://example.test:443/user/alice", trust);
  add("UriUserInfo", "spiffe://x@example.test/user/alice", trust);
  add("UriQuery", Uri("user/alice?x=1"), trust);
  add("UriFragment", Uri("user/alice#x"), trust);
  add("UriOtherDomain", "spiffe://other.test/user/alice", trust);
  add("UriLongerDomain", "spiffe://example.test.evil/user/alice", trust);
  add("UriOtherScheme", "https://example.test/user/alice", trust);
  add("UriUnknownKind", Uri("admin/alice"), trust);
  add("UriLocal", Uri("local/h1/0"), trust);
  add("UriAuthority", Uri("ca/user"), trust);
  add("UriDots", Uri("user/.."), trust);
  add("UriNewline", Uri("user/alice\n"), trust);
  add("UriSpace", Uri("user/al ice"), trust);
  add("UriLatin", Uri("user/\xe4"), trust);
  add("UriEmpty", "", trust);
  add("UriNameOf64", Uri("user/" + std::string(64, 'a')), trust);
  add("UriOf2049", Uri("user/" + std::string(2049 - 27, 'a')), "too long");
  return variants;
}

std::vector<Variant> NameVariants() {
  return {
      {"UriTwo",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) {
           c->uris.push_back(Uri("user/bob"));
         }));
       },
       "exactly one"},
      {"UriSameTwice",
       [] {
         return ByUserCa(With(
             [](CertificateTemplate* c) { c->uris.push_back(c->uris[0]); }));
       },
       "exactly one"},
      {"CommonNameOnly",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) { c->uris.clear(); }));
       },
       "exactly one"},
      {"CommonNameThatIsAUri",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) {
           c->common_name = c->uris[0];
           c->uris.clear();
         }));
       },
       "exactly one"},
      {"DnsOnly",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) {
           c->uris.clear();
           c->dns_names = {"alice"};
         }));
       },
       "exactly one"},
      {"DnsThatIsAUri",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) {
           c->dns_names = c->uris;
           c->uris.clear();
         }));
       },
       "exactly one"},
      {"EmailOnly",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) {
           c->uris.clear();
           c->adjust = [](X509* x509) {
             return Extension(x509, NID_subject_alt_name, "email:a@b.c");
           };
         }));
       },
       "exactly one"},
      {"NamesTwice",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) {
           c->uris.clear();
           c->adjust = [](X509* x509) {
             return Extension(x509, NID_subject_alt_name,
                              "URI:spiffe://example.test/user/alice", true);
           };
         }));
       },
       "there twice"},
      {"SecondNamesExtension",
       [] {
         return ByUserCa(Adjusted([](X509* x509) {
           return Extension(x509, NID_subject_alt_name,
                            "URI:spiffe://example.test/user/bob");
         }));
       },
       "there twice"},
      {"NamesMalformed",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) {
           c->uris.clear();
           c->adjust = [](X509* x509) {
             return Extension(x509, NID_subject_alt_name, "DER:0102");
           };
         }));
       },
       "malformed"},
  };
}

std::vector<Variant> UsageVariants() {
  const auto usage = [](const std::string& value) {
    return [value] {
      return ByUserCa(
          With([&](CertificateTemplate* c) { c->key_usage = value; }));
    };
  };
  const auto extended = [](const std::string& value) {
    return [value] {
      return ByUserCa(
          With([&](CertificateTemplate* c) { c->extended_key_usage = value; }));
    };
  };
  return {
      {"Authority",
       [] {
         return ByUserCa(
             With([](CertificateTemplate* c) { c->authority = true; }));
       },
       "CA:TRUE"},
      {"UsageNone", usage(""), "no keyUsage"},
      {"UsageCertSign", usage("critical,digitalSignature,keyCertSign"),
       "authority"},
      {"UsageCrlSign", usage("critical,digitalSignature,cRLSign"), "authority"},
      {"UsageEncipherment", usage("critical,keyEncipherment"),
       "digitalSignature"},
      {"ExtendedNone", extended(""), "no extendedKeyUsage"},
      {"ExtendedServerOnly", extended("serverAuth"), "not for clients"},
      {"ExtendedAny", extended("anyExtendedKeyUsage"), "neither"},
      {"ExtendedCodeSigning", extended("codeSigning"), "neither"},
      {"UnknownCritical",
       [] {
         return ByUserCa(Adjusted([](X509* x) { return Unknown(x, true); }));
       },
       "not understood"},
      {"BasicConstraintsTwice",
       [] {
         return ByUserCa(Adjusted([](X509* x509) {
           return Extension(x509, NID_basic_constraints, "CA:FALSE");
         }));
       },
       "there twice"},
      {"KeyUsageTwice",
       [] {
         return ByUserCa(Adjusted([](X509* x509) {
           return Extension(x509, NID_key_usage, "digitalSignature");
         }));
       },
       "there twice"},
      {"ManyExtensions",
       [] {
         return ByUserCa(Adjusted([](X509* x509) {
           for (int i = 0; i < 40; ++i) Unknown(x509, false).IgnoreError();
           return absl::OkStatus();
         }));
       },
       "too many extensions"},
      {"VersionOne",
       [] {
         return ByUserCa(Adjusted([](X509* x509) {
           X509_set_version(x509, X509_VERSION_1);
           return absl::OkStatus();
         }));
       },
       "version 3"},
  };
}

std::vector<Variant> StrengthVariants() {
  const auto digest = [](const EVP_MD* md) {
    return [md] {
      return ByUserCa(With([&](CertificateTemplate* c) { c->digest = md; }));
    };
  };
  return {
      {"SignatureSha1", digest(EVP_sha1()), "SHA-2"},
      {"SignatureSha224", digest(EVP_sha224()), "SHA-2"},
      {"Rsa1024", [] { return WithKey(EVP_RSA_gen(1024)); }, "2,048 bits"},
      {"P192", [] { return WithKey(EVP_EC_gen("prime192v1")); }, "curve"},
      {"P224", [] { return WithKey(EVP_EC_gen("secp224r1")); }, "curve"},
      {"Secp256k1", [] { return WithKey(EVP_EC_gen("secp256k1")); }, "curve"},
      {"X25519",
       [] { return WithKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519")); },
       "none of Ed25519"},
  };
}

std::vector<Variant> ChainVariants() {
  const auto intermediate =
      [](const std::function<void(CertificateTemplate*)>& change) {
        return [change] { return Pki().IssueBy(Alice(), "user", change); };
      };
  const auto wrong_kind = [](const std::string& principal,
                             const std::string& authority) {
    return Variant{
        absl::StrCat("Kind", principal.substr(0, principal.find('/')), "By",
                     authority),
        [=] { return Pki().Issue(Pki().Template(principal), authority); },
        "issuer may not name"};
  };
  return {
      {"SelfSigned", [] { return Pki().SelfSigned(Alice()); }, "trusted"},
      {"OtherCa", [] { return TestPki().Issue("user/alice"); }, "trusted"},
      {"OwnRootInTheChain",
       [] {
         const TestPki other;
         TestCertificate made = other.Issue("user/alice");
         made.chain_pem += other.ca_pem();
         return made;
       },
       "trusted"},
      {"WithoutIntermediate",
       [] {
         TestCertificate made = Pki().Issue("user/alice");
         made.chain_pem = made.leaf_pem;
         return made;
       },
       "trusted"},
      {"ByTheRoot", [] { return Pki().Issue(Alice(), "root"); },
       "leaf, intermediate, root"},
      {"PathTooLong", [] { return Pki().IssueBelow(Alice(), "user", false); },
       "path length"},
      {"SelfIssuedBelow",
       [] { return Pki().IssueBelow(Alice(), "user", true); },
       "leaf, intermediate, root"},
      {"Chain100",
       [] {
         TestCertificate made = Pki().Issue("user/alice");
         for (int i = 0; i < 100; ++i) made.chain_pem += made.leaf_pem;
         return made;
       },
       "too many certificates"},
      {"IntermediateExpired", intermediate([](CertificateTemplate* c) {
         c->expire_time = Pki().now() - absl::Minutes(1);
       }),
       "expired"},
      {"IntermediateNotYet", intermediate([](CertificateTemplate* c) {
         c->start_time = Pki().now() + absl::Minutes(1);
       }),
       "not yet valid"},
      {"IntermediateNoAuthority", intermediate([](CertificateTemplate* c) {
         c->authority = false;
         c->path_length.reset();
       }),
       "CA"},
      {"IntermediateMayNotSign", intermediate([](CertificateTemplate* c) {
         c->key_usage = "critical,digitalSignature";
       }),
       "trusted"},
      {"IntermediateForServersOnly", intermediate([](CertificateTemplate* c) {
         c->extended_key_usage = "serverAuth";
       }),
       "purpose"},
      {"IntermediateSha1",
       intermediate([](CertificateTemplate* c) { c->digest = EVP_sha1(); }),
       ""},
      {"IntermediateWithoutUri",
       intermediate([](CertificateTemplate* c) { c->uris.clear(); }),
       "issuer may not name"},
      {"IntermediateWithTwoUris", intermediate([](CertificateTemplate* c) {
         c->uris.push_back(Uri("ca/host"));
       }),
       "issuer may not name"},
      {"IntermediateOfOtherDomain", intermediate([](CertificateTemplate* c) {
         c->uris = {"spiffe://other.test/ca/user"};
       }),
       "issuer may not name"},
      {"IntermediateNameConstraint", intermediate([](CertificateTemplate* c) {
         c->adjust = [](X509* x509) {
           return Extension(x509, NID_name_constraints,
                            "critical,permitted;URI:other.test");
         };
       }),
       "permitted subtree"},
      wrong_kind("user/alice", "host"),
      wrong_kind("user/alice", "service"),
      wrong_kind("host/h1", "user"),
      wrong_kind("host/h1", "service"),
      wrong_kind("server/s1", "host"),
      wrong_kind("server/s1", "user"),
      wrong_kind("gateway/g1", "host"),
      wrong_kind("service/ci", "user"),
      wrong_kind("enrol/x", "user"),
      wrong_kind("enrol/x", "service"),
  };
}

std::vector<Variant> TimeAndFormVariants() {
  return {
      {"Expired",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) {
           c->expire_time = Pki().now() - absl::Seconds(2);
         }));
       },
       "expired"},
      {"NotYetValid",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) {
           c->start_time = Pki().now() + absl::Hours(1);
         }));
       },
       "valid only from"},
      {"EndsBeforeItStarts",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) {
           c->expire_time = c->start_time - absl::Hours(1);
         }));
       },
       "expired"},
      {"None", [] { return TestCertificate{}; }, "malformed"},
      {"Garbage",
       [] {
         return TestCertificate{"garbage", "", ""};
       },
       "malformed"},
      {"Truncated",
       [] {
         TestCertificate made = Pki().Issue("user/alice");
         made.leaf_pem.resize(made.leaf_pem.size() / 2);
         return made;
       },
       "malformed"},
      {"SignatureAltered",
       [] {
         TestCertificate made = Pki().Issue("user/alice");
         std::string& pem = made.leaf_pem;
         // Within the last line of base64, which is the signature.
         char& c = pem[pem.size() - 40];
         c = c == 'A' ? 'B' : 'A';
         return made;
       },
       ""},
      {"Megabyte",
       [] {
         return ByUserCa(With([](CertificateTemplate* c) {
           c->dns_names.assign(8000, std::string(120, 'a'));
         }));
       },
       "too long"},
      {"TwoLeaves",
       [] {
         TestCertificate made = Pki().Issue("user/alice");
         made.leaf_pem += made.leaf_pem;
         return made;
       },
       "too many"},
  };
}

std::vector<Variant> AllVariants() {
  std::vector<Variant> all;
  for (const auto& part :
       {UriVariants(), NameVariants(), UsageVariants(), StrengthVariants(),
        ChainVariants(), TimeAndFormVariants()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

class CertificateMatrixTest : public testing::TestWithParam<Variant> {};

TEST_P(CertificateMatrixTest, IsRefusedForItsOneFault) {
  const TestCertificate made = GetParam().make();
  const auto result = MakeVerifier().Check(made.leaf_pem, made.chain_pem);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result, HasReason(reason::kCertificateRefused));
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(Matrix, CertificateMatrixTest,
                         testing::ValuesIn(AllVariants()),
                         [](const auto& info) { return info.param.name; });

TEST(CertificateMatrixSizeTest, HasAtLeastSixtyVariants) {
  EXPECT_GE(AllVariants().size(), 60);
}

TEST(CertificateMatrixOddTest, OddButSoundCertificatesPass) {
  const std::vector<TestCertificate> certificates = {
      WithKey(EVP_RSA_gen(2048)),
      WithKey(EVP_EC_gen("P-384")),
      WithKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")),
      ByUserCa(Adjusted([](X509* x) { return Unknown(x, false); })),
      ByUserCa(With([](CertificateTemplate* c) {
        c->dns_names = {"alice", "*"};
        c->ip_addresses = {"127.0.0.1", "::1"};
      })),
      ByUserCa(With([](CertificateTemplate* c) {
        c->uris.clear();
        c->adjust = [](X509* x509) {
          return Extension(x509, NID_subject_alt_name,
                           "critical,URI:spiffe://example.test/user/alice");
        };
      })),
      ByUserCa(WithUri(Uri("user/" + std::string(63, 'a')))),
  };
  for (const TestCertificate& made : certificates) {
    EXPECT_THAT(MakeVerifier().Check(made.leaf_pem, made.chain_pem), IsOk());
  }
}

}  // namespace
}  // namespace innkeeper
