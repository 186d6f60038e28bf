#include "agent/guest/guest_state.h"

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/guest/guest_name.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// One refusal; an empty reason allows the verb.
struct Rule {
  absl::string_view reason;
  absl::string_view way_out;
};

constexpr Rule kYes = {};
constexpr Rule kStarted = {reason::kGuestNotStartable, "it needs no start"};
constexpr Rule kStartLater = {reason::kGuestNotStartable,
                              "wait until it is STOPPED"};
constexpr Rule kNotUpYet = {reason::kGuestNotRunning,
                            "wait until it is RUNNING"};
constexpr Rule kForceInstead = {reason::kGuestNotRunning,
                                "wait until it is RUNNING, or stop it with "
                                "force"};
constexpr Rule kResumeFirst = {reason::kGuestNotRunning,
                               "resume it first, or stop it with force"};
constexpr Rule kGoing = {reason::kGuestNotRunning,
                         "wait until it is STOPPED, or stop it with force"};
constexpr Rule kStartFirst = {reason::kGuestNotRunning, "start it first"};
constexpr Rule kNothingToStop = {reason::kGuestNotRunning,
                                 "there is nothing to stop"};
constexpr Rule kNotPaused = {reason::kGuestNotPaused, "it is not paused"};
constexpr Rule kStopFirst = {reason::kGuestNotStopped,
                             "stop it first, with force if need be"};
constexpr Rule kStopsAlready = {reason::kGuestNotStopped,
                                "wait until it is STOPPED, or stop it with "
                                "force"};
constexpr Rule kNoConsole = {reason::kConsoleUnavailable,
                             "its console opens when it is started"};

// Columns in the order of kAllGuestStates.
constexpr size_t kStates = sizeof(kAllGuestStates) / sizeof(*kAllGuestStates);
struct Row {
  GuestVerb verb;
  Rule rules[kStates];
};
constexpr Row kTable[] = {
    // STARTING, RUNNING, PAUSED, STOPPING, STOPPED, FAILED
    {GuestVerb::kStart,
     {kStarted, kStarted, kStarted, kStartLater, kYes, kYes}},
    {GuestVerb::kStop,
     {kForceInstead, kYes, kResumeFirst, kGoing, kNothingToStop,
      kNothingToStop}},
    {GuestVerb::kForceStop,
     {kYes, kYes, kYes, kYes, kNothingToStop, kNothingToStop}},
    {GuestVerb::kReboot,
     {kNotUpYet, kYes, kResumeFirst, kGoing, kStartFirst, kStartFirst}},
    {GuestVerb::kPause,
     {kNotUpYet, kYes, kResumeFirst, kGoing, kStartFirst, kStartFirst}},
    {GuestVerb::kResume,
     {kNotPaused, kNotPaused, kYes, kNotPaused, kNotPaused, kNotPaused}},
    {GuestVerb::kDelete,
     {kStopFirst, kStopFirst, kStopFirst, kStopsAlready, kYes, kYes}},
    {GuestVerb::kAttachConsole,
     {kYes, kYes, kYes, kYes, kNoConsole, kNoConsole}},
};

Rule FindRule(GuestState state, GuestVerb verb) {
  for (const Row& row : kTable) {
    if (row.verb != verb) continue;
    for (size_t i = 0; i < kStates; ++i) {
      if (kAllGuestStates[i] == state) return row.rules[i];
    }
  }
  return {reason::kInternal, "its state is not known"};
}

}  // namespace

absl::Status CheckVerb(absl::string_view id, GuestState state, GuestVerb verb) {
  const Rule rule = FindRule(state, verb);
  if (rule.reason.empty()) return absl::OkStatus();
  const std::string name = ToGuestName(id);
  const std::string message =
      absl::StrCat("cannot ", ToString(verb), " guest '", id, "': it is ",
                   ToString(state), "; ", rule.way_out);
  return Error(absl::StatusCode::kFailedPrecondition, rule.reason, message)
      .With("guest", name)
      .With("state", ToString(state))
      .Precondition(rule.reason, name, message);
}

bool MayHaveProcess(GuestState state) {
  return state != GuestState::kStopped && state != GuestState::kFailed;
}

absl::string_view ToString(GuestState state) {
  switch (state) {
    case GuestState::kStarting:
      return "STARTING";
    case GuestState::kRunning:
      return "RUNNING";
    case GuestState::kPaused:
      return "PAUSED";
    case GuestState::kStopping:
      return "STOPPING";
    case GuestState::kStopped:
      return "STOPPED";
    case GuestState::kFailed:
      return "FAILED";
  }
  return "UNKNOWN";
}

absl::string_view ToString(GuestVerb verb) {
  switch (verb) {
    case GuestVerb::kStart:
      return "start";
    case GuestVerb::kStop:
      return "stop";
    case GuestVerb::kForceStop:
      return "stop --force";
    case GuestVerb::kReboot:
      return "reboot";
    case GuestVerb::kPause:
      return "pause";
    case GuestVerb::kResume:
      return "resume";
    case GuestVerb::kDelete:
      return "delete";
    case GuestVerb::kAttachConsole:
      return "attach to the console of";
  }
  return "change";
}

}  // namespace innkeeper
