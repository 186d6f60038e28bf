#include "cli/command/doctor_command.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/certificate_check.h"
#include "cli/command/command_set.h"
#include "cli/name.h"
#include "cli/output/printable.h"
#include "cli/output/table.h"
#include "cli/output/time_text.h"
#include "cli/remotes.h"
#include "cli/session.h"
#include "cli/tcp_probe.h"
#include "cli/value.h"
#include "innkeeper/v1/hosts.pb.h"
#include "innkeeper/v1/policy.pb.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kProbeTimeout = absl::Seconds(5);
constexpr absl::Duration kSkew = absl::Seconds(5);

// Shows findings as they come and remembers whether one was a failure.
class Report {
 public:
  explicit Report(Session& session) : session_(session) {}

  void Add(const Finding& finding) {
    const char* word = "ok  ";
    Colour colour = Colour::kGood;
    if (finding.result == CheckResult::kWarning) {
      word = "warn", colour = Colour::kWarning;
    } else if (finding.result == CheckResult::kFailure) {
      word = "fail", colour = Colour::kBad;
      ++failures_;
    }
    session_.Print(absl::StrCat(Coloured(word, colour, session_.coloured()),
                                "  ", Printable(finding.subject), ": ",
                                Printable(finding.text), "\n"));
  }
  void Ok(absl::string_view subject, absl::string_view text) {
    Add({CheckResult::kOk, std::string(subject), std::string(text)});
  }
  void Warn(absl::string_view subject, absl::string_view text) {
    Add({CheckResult::kWarning, std::string(subject), std::string(text)});
  }
  void Fail(absl::string_view subject, absl::string_view text) {
    Add({CheckResult::kFailure, std::string(subject), std::string(text)});
  }
  int failures() const { return failures_; }

 private:
  Session& session_;
  int failures_ = 0;
};

void CheckHost(const v1::Host& host, absl::Time now, Report& report) {
  const std::string name = std::string(host.name());
  if (host.state() == v1::Host::UNREACHABLE) {
    report.Fail(name, absl::StrCat("has not answered for ",
                                   FormatAge(now - ToTime(host.observe_time())),
                                   "; look whether its agent runs"));
    return;
  }
  if (host.has_observe_time() && ToTime(host.observe_time()) - now > kSkew) {
    report.Warn(name, absl::StrCat("its clock is ahead of this machine's by ",
                                   FormatAge(ToTime(host.observe_time()) - now),
                                   "; set the clocks by NTP"));
  }
  if (host.acceleration().kvm()) {
    report.Ok(name, absl::StrCat("KVM works: ", host.acceleration().reason()));
  } else {
    report.Warn(name, absl::StrCat("guests run without KVM, slowly: ",
                                   host.acceleration().reason(),
                                   "; look at /dev/kvm there"));
  }
}

void CheckHosts(ApiClient& client, absl::Time now, Report& report) {
  const absl::StatusOr<v1::ListHostsResponse> hosts = client.Call(
      &v1::Hosts::Stub::ListHosts, client.hosts(), v1::ListHostsRequest());
  if (absl::IsPermissionDenied(hosts.status())) {
    report.Ok("hosts", "not shown to you, so not looked at");
    return;
  }
  if (!hosts.ok()) {
    report.Fail("hosts", hosts.status().message());
    return;
  }
  for (const v1::Host& host : hosts->hosts()) CheckHost(host, now, report);
}

void CheckService(Session& session, const Remote& remote, Report& report) {
  const absl::Status listener = ProbeListener(remote.address, kProbeTimeout);
  if (!listener.ok()) {
    report.Fail("listener",
                absl::StrCat(listener.message(),
                             "; look whether the service runs, whether the "
                             "address is right and whether a firewall is in "
                             "between"));
    return;
  }
  report.Ok("listener", absl::StrCat(remote.address, " accepts connections"));
  const absl::StatusOr<ApiClient*> client = session.Client();
  if (!client.ok()) {
    report.Fail("certificates", client.status().message());
    return;
  }
  const absl::StatusOr<v1::WhoAmIResponse> who = (*client)->Call(
      &v1::Policy::Stub::WhoAmI, (*client)->policy(), v1::WhoAmIRequest());
  if (!who.ok()) {
    report.Fail("service",
                absl::StrCat("accepts the connection and not the call: ",
                             who.status().message(),
                             "; compare certificates, roots and the name of "
                             "the server on both sides"));
    return;
  }
  report.Ok("service",
            absl::StrCat(who->answered_by(), " (version ", who->version(),
                         ") knows you as ", who->principal()));
  if (who->bindings().empty()) {
    report.Warn("roles", "you have none there; have an administrator bind one");
  } else {
    report.Ok("roles", absl::StrCat(who->bindings_size(), ", the first ",
                                    who->bindings(0).role(), " on ",
                                    who->bindings(0).scope()));
  }
  CheckHosts(**client, session.environment().clock->Now(), report);
}

absl::Status RunDoctor(Session& session) {
  ASSIGN_OR_RETURN(
      const Remote remote,
      ChooseRemote(session.options().remote, session.environment().variable));
  Report report(session);
  if (IsUnixAddress(remote.address)) {
    report.Ok("certificates", "not needed on a unix socket");
  } else {
    for (const Finding& finding :
         CheckCertificates(remote, session.environment().clock->Now())) {
      report.Add(finding);
    }
  }
  CheckService(session, remote, report);
  if (report.failures() == 0) return absl::OkStatus();
  // Of no code that has an exit code of its own: scripts see 1.
  return absl::UnknownError(
      absl::StrCat(report.failures(), " of the checks failed"));
}

}  // namespace

void AddDoctorCommand(CommandSet& commands) {
  Session* session = &commands.session();
  commands.Add(commands.root(), "doctor",
               "Look for what keeps this from working",
               [=] { return RunDoctor(*session); });
}

}  // namespace innkeeper
