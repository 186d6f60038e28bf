#include "agent/service/security_convert.h"

#include <cstdint>
#include <string>

#include "agent/security/security_check.h"
#include "rpc/timestamp.h"

namespace innkeeper {
namespace {

v1::GuestSecurity::Verdict ToVerdict(SecurityVerdict verdict) {
  switch (verdict) {
    case SecurityVerdict::kSame:
      return v1::GuestSecurity::SAME;
    case SecurityVerdict::kDifferent:
      return v1::GuestSecurity::DIFFERENT;
    case SecurityVerdict::kInformation:
      return v1::GuestSecurity::INFORMATION;
    case SecurityVerdict::kUnknown:
      break;
  }
  return v1::GuestSecurity::UNKNOWN;
}

}  // namespace

v1::GuestSecurity ToGuestSecurity(const SecurityReport& report,
                                  const std::string& guest,
                                  const std::string& host,
                                  const std::string& owner) {
  v1::GuestSecurity security;
  security.set_guest(guest);
  security.set_host(host);
  security.set_owner(owner);
  v1::Guest::Process* const process = security.mutable_process();
  process->set_pid(report.process.pid);
  process->set_unix_uid(report.process.unix_uid);
  process->set_unix_gid(report.process.unix_gid);
  process->set_start_time_ticks(
      static_cast<int64_t>(report.process.start_time_ticks));
  process->set_boot_id(report.process.boot_id);
  *security.mutable_observe_time() = ToTimestamp(report.time);
  for (const SecurityCheck& check : report.checks) {
    v1::GuestSecurity::Check* const added = security.add_checks();
    added->set_id(check.id);
    added->set_what(check.what);
    added->set_asked(check.asked);
    added->set_actual(check.actual);
    added->set_verdict(ToVerdict(check.verdict));
    added->set_source(check.source);
  }
  security.set_as_asked(AllAsAsked(report.checks));
  return security;
}

}  // namespace innkeeper
