#include "agent/accel/acceleration_probe.h"

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "agent/accel/boot_sector.h"
#include "agent/accel/probe_runner.h"
#include "agent/qmp/printable_text.h"
#include "base/completion.h"

namespace innkeeper {
namespace {

// The firmware boots from no disk that is smaller than a cylinder.
constexpr size_t kImageBytes = size_t{1} << 20;
constexpr size_t kReasonBytes = 512;

// The last line that QEMU wrote: the one that says why it ended.
absl::string_view LastLine(absl::string_view output) {
  while (absl::ConsumeSuffix(&output, "\n")) {
  }
  const size_t newline = output.rfind('\n');
  return newline == absl::string_view::npos ? output
                                            : output.substr(newline + 1);
}

std::string Because(const ProbeOutcome& outcome) {
  const absl::string_view line = LastLine(outcome.output);
  return line.empty() ? std::string() : absl::StrCat(": ", line);
}

std::string Describe(const ProbeOutcome& outcome) {
  switch (outcome.end) {
    case ProbeOutcome::End::kTimedOut:
      return absl::StrCat("a probe guest on KVM did not run within ",
                          absl::FormatDuration(
                              absl::Trunc(outcome.took, absl::Milliseconds(1))),
                          Because(outcome));
    case ProbeOutcome::End::kSignaled:
      return absl::StrCat("QEMU with KVM was killed by signal ", outcome.value,
                          Because(outcome));
    case ProbeOutcome::End::kExited:
      break;
  }
  if (outcome.value == kProbeExitStatus) return "a probe guest ran on KVM";
  return absl::StrCat("QEMU with KVM exited with status ", outcome.value,
                      Because(outcome));
}

AccelerationReport Judge(const absl::StatusOr<ProbeOutcome>& outcome) {
  AccelerationReport report;
  if (!outcome.ok()) {
    report.reason =
        PrintableText(absl::StrCat("the probe guest was not started: ",
                                   outcome.status().message()),
                      kReasonBytes);
    return report;
  }
  report.kvm = outcome->end == ProbeOutcome::End::kExited &&
               outcome->value == kProbeExitStatus;
  report.reason = PrintableText(Describe(*outcome), kReasonBytes);
  report.took = outcome->took;
  return report;
}

}  // namespace

AccelerationProbe::AccelerationProbe(absl::string_view qemu,
                                     ProbeRunner* runner,
                                     absl::Duration timeout)
    : qemu_(qemu), runner_(runner), timeout_(timeout) {}

void AccelerationProbe::Probe(Completion<AccelerationReport> done) {
  runner_->Run(MakeProbeCommand(qemu_, "kvm", timeout_),
               [done = std::move(done)](
                   const absl::StatusOr<ProbeOutcome>& outcome) mutable {
                 done(Judge(outcome));
               });
}

ProbeCommand MakeProbeCommand(absl::string_view qemu,
                              absl::string_view accelerator,
                              absl::Duration timeout) {
  ProbeCommand command;
  command.argv = {
      std::string(qemu),
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      "-display",
      "none",
      "-accel",
      std::string(accelerator),
      "-machine",
      "pc",
      "-cpu",
      "max",
      "-m",
      "16",
      "-device",
      "isa-debug-exit",
      "-blockdev",
      absl::StrCat(R"({"driver":"raw","node-name":"boot","read-only":true,)",
                   R"("file":{"driver":"file","read-only":true,)",
                   R"("filename":"/proc/self/fd/)", kProbeImageFd, R"("}})"),
      "-device",
      R"({"driver":"virtio-blk-pci","drive":"boot","bootindex":0})",
  };
  command.image.assign(kProbeBootSector.begin(), kProbeBootSector.end());
  command.image.resize(kImageBytes);
  command.timeout = timeout;
  return command;
}

}  // namespace innkeeper
