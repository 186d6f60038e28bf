#include "cli/command/pki_command.h"

#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "auth/certificate.h"
#include "auth/pki.h"
#include "auth/principal.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/command/command_set.h"
#include "cli/output/fields.h"
#include "cli/session.h"
#include "cli/value.h"

namespace innkeeper {
namespace {

constexpr size_t kFileLimit = 1 << 20;

struct PkiOptions {
  std::string directory;
  std::string trust_domain;
  std::string principal;
  std::string prefix;
  std::string file;
  std::string valid_for;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
};

std::string DateText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

absl::Status RunInit(Session& session, const PkiOptions& options) {
  RETURN_IF_ERROR(InitPki(options.directory, options.trust_domain,
                          *session.environment().clock));
  session.Say(absl::StrCat("authority for ", options.trust_domain, " is in ",
                           options.directory, "; every party trusts ",
                           options.directory, "/ca.pem"));
  return absl::OkStatus();
}

absl::Status RunIssue(Session& session, const PkiOptions& options) {
  ASSIGN_OR_RETURN(const Principal principal,
                   Principal::Parse(options.principal));
  IssueRequest request = {principal, options.dns_names, options.ip_addresses};
  if (!options.valid_for.empty()) {
    ASSIGN_OR_RETURN(request.validity, ParseSpan(options.valid_for));
  }
  ASSIGN_OR_RETURN(const Pki pki,
                   Pki::Open(options.directory, *session.environment().clock));
  ASSIGN_OR_RETURN(const IssuedCertificate issued, pki.Issue(request));
  const std::string prefix =
      options.prefix.empty() ? principal.name() : options.prefix;
  RETURN_IF_ERROR(WriteCertificate(prefix, issued));
  session.Say(absl::StrCat(principal.ToString(), " is certified until ",
                           DateText(issued.certificate.expire_time), ": ",
                           prefix, ".pem, ", prefix, ".key"));
  return absl::OkStatus();
}

// "spiffe://lab/user/alice" → "lab", as far as the certificate is ours to
// judge: the name in it says which trust domain it claims.
absl::Status RunShow(Session& session, const PkiOptions& options) {
  std::string trust_domain = options.trust_domain;
  if (trust_domain.empty()) {
    ASSIGN_OR_RETURN(const Pki pki, Pki::Open(options.directory,
                                              *session.environment().clock));
    trust_domain = pki.trust_domain();
  }
  ASSIGN_OR_RETURN(const std::string pem, ReadFile(options.file, kFileLimit));
  // The leaf is the first of a chain.
  constexpr char kEnd[] = "-----END CERTIFICATE-----";
  const size_t end = pem.find(kEnd);
  ASSIGN_OR_RETURN(
      const Certificate certificate,
      ParseCertificate(end == std::string::npos
                           ? pem
                           : pem.substr(0, end + sizeof(kEnd) - 1) + "\n",
                       trust_domain));
  Fields fields(session.coloured());
  fields.Add("Principal", certificate.principal.ToString());
  fields.Add("Identity", certificate.principal.SpiffeId(trust_domain));
  fields.Add("Valid from", DateText(certificate.start_time));
  fields.Add("Valid until", DateText(certificate.expire_time));
  fields.Add("For", absl::StrCat(certificate.for_client ? "client " : "",
                                 certificate.for_server ? "server" : ""));
  fields.Add("Serial", certificate.serial_number);
  fields.Add("Fingerprint", certificate.fingerprint);
  session.Print(fields.Render());
  return absl::OkStatus();
}

}  // namespace

void AddPkiCommands(CommandSet& commands) {
  Session* session = &commands.session();
  auto options = std::make_shared<PkiOptions>();
  PkiOptions* flags = options.get();
  CLI::App* group =
      commands.AddGroup("pki", "A certificate authority in a directory");

  CLI::App* init = commands.Add(group, "init", "Make an authority",
                                [=] { return RunInit(*session, *options); });
  init->add_option("DIR", flags->directory, "Where; made if it is missing")
      ->required();
  init->add_option("--trust-domain", flags->trust_domain,
                   "What its names begin with, such as lab.example")
      ->required();

  CLI::App* issue = commands.Add(group, "issue", "Make a key and a certificate",
                                 [=] { return RunIssue(*session, *options); });
  issue->add_option("DIR", flags->directory, "The authority")->required();
  issue
      ->add_option("PRINCIPAL", flags->principal,
                   "For whom: user/alice, service/ci, server/lab, host/h1")
      ->required();
  issue
      ->add_option("--out", flags->prefix,
                   "Writes PREFIX.pem and PREFIX.key; the name if not given")
      ->type_name("PREFIX");
  issue->add_option("--valid-for", flags->valid_for, "How long (default 2160h)")
      ->type_name("SPAN");
  issue
      ->add_option("--dns", flags->dns_names,
                   "A DNS name of a server or host, repeatable")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  issue
      ->add_option("--ip", flags->ip_addresses,
                   "An IP address of a server or host, repeatable")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);

  CLI::App* show = commands.Add(group, "show", "Show a certificate",
                                [=] { return RunShow(*session, *options); });
  show->alias("inspect");
  show->add_option("FILE", flags->file, "The certificate (PEM)")->required();
  CLI::Option* directory =
      show->add_option("--pki", flags->directory, "The authority it is from")
          ->type_name("DIR");
  show->add_option("--trust-domain", flags->trust_domain,
                   "Its trust domain, where the authority is not here")
      ->excludes(directory);
}

}  // namespace innkeeper
