// What confines a guest, beside what was asked for.
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/context/context_spec.h"
#include "agent/driver/qemu/launch_planner.h"
#include "agent/driver/qemu/qemu_driver.h"
#include "agent/launch/guest_facts.h"
#include "agent/security/asked_context.h"
#include "agent/security/security_check.h"
#include "agent/security/security_review.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

SecurityReport MakeReport(const AskedContext& asked, const GuestFacts& facts) {
  SecurityReport report;
  report.process = asked.process;
  report.time = absl::Now();
  report.checks = ReviewSecurity(asked, facts);
  return report;
}

AskedContext WhatWasAsked(const GuestRecord& guest,
                          const absl::StatusOr<PlannedLaunch>& planned) {
  if (planned.ok()) return AskedOf(planned->plan, *guest.process);
  return AskedWithoutPlan(
      guest.id, ToLaunchContext(guest.spec.effective_context), *guest.process,
      std::string(planned.status().message()));
}

}  // namespace

void QemuDriver::Review(const GuestRecord& guest,
                        Completion<SecurityReport> done) {
  if (!guest.process.has_value()) {
    const absl::Status refusal =
        Error(absl::StatusCode::kFailedPrecondition, reason::kGuestNotRunning,
              absl::StrCat("guest '", guest.id,
                           "' has no process to look at; start it first"))
            .With("guest", guest.id)
            .Build();
    return parts_.loop->Post(
        [refusal, done = std::move(done)]() mutable { done(refusal); });
  }
  // The same as at its launch: a plan follows from the record alone.
  parts_.planner->Plan(
      guest, [this, guest, done = std::move(done)](
                 absl::StatusOr<PlannedLaunch> planned) mutable {
        parts_.spawner->InspectGuest(
            guest.id,
            [asked = WhatWasAsked(guest, planned),
             done = std::move(done)](absl::StatusOr<GuestFacts> facts) mutable {
              if (!facts.ok()) return done(facts.status());
              done(MakeReport(asked, *facts));
            });
      });
}

}  // namespace innkeeper
