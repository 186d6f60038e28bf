#include "cli/command/wait_command.h"

#include <memory>
#include <optional>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/command/command_set.h"
#include "cli/command/guest_operation.h"
#include "cli/command/name_kind.h"
#include "cli/filter.h"
#include "cli/name.h"
#include "cli/output/format.h"
#include "cli/output/guest_view.h"
#include "cli/output/printable.h"
#include "cli/session.h"
#include "cli/stream.h"
#include "cli/value.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

struct WaitOptions {
  std::string name;
  std::string condition = "running";
  std::string timeout = "5m";
};

// What to wait for: a state, or one of the other two.
struct Condition {
  std::optional<v1::Guest::State> state;
  bool deleted = false;
  bool address = false;
};

absl::StatusOr<Condition> ParseCondition(absl::string_view text) {
  Condition condition;
  condition.deleted = text == "deleted";
  condition.address = text == "ip";
  if (condition.deleted || condition.address) return condition;
  absl::string_view state_text = text;
  absl::ConsumePrefix(&state_text, "state=");
  v1::Guest::State state;
  if (v1::Guest::State_Parse(absl::AsciiStrToUpper(state_text), &state) &&
      state != v1::Guest::STATE_UNSPECIFIED) {
    condition.state = state;
    return condition;
  }
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat("'", text,
                            "' cannot be waited for; write running, stopped, "
                            "paused, failed, state=STATE, ip or deleted"))
      .Build();
}

// What is known of the guest that is waited for.
struct Seen {
  std::optional<v1::Guest> guest;
  bool all = false;  // The service has sent all there was at the start.
};

// Whether `seen` is what was wanted. A stale state is not known to be true.
bool IsReached(const Seen& seen, const Condition& wanted) {
  if (wanted.deleted) return seen.all && !seen.guest.has_value();
  if (!seen.guest.has_value() || seen.guest->stale()) return false;
  if (wanted.address) return !seen.guest->addresses().empty();
  return seen.guest->state() == *wanted.state;
}

// What is to be said of a wait for an address that did not come: the two ways
// in which one becomes known.
std::string DescribeAddresses(const v1::Guest& guest) {
  if (guest.spec().networks().empty() && guest.interfaces().empty()) {
    return ", and has no network";
  }
  return ", and no address of it is known: none is declared, and no DHCP lease "
         "of its networks has been seen";
}

std::string Describe(const Seen& seen, const Condition& wanted,
                     absl::Time now) {
  if (!seen.guest.has_value()) {
    return seen.all ? "it is not there" : "its service has not told its state";
  }
  std::string text =
      absl::StrCat("it is ", GuestStateCell(*seen.guest, now).text);
  if (!seen.guest->state_message().empty()) {
    absl::StrAppend(&text, ": ", seen.guest->state_message());
  }
  if (wanted.address && seen.guest->addresses().empty()) {
    absl::StrAppend(&text, DescribeAddresses(*seen.guest));
  }
  return text;
}

absl::Status Absent(const std::string& name) {
  return Error(absl::StatusCode::kNotFound, reason::kGuestNotFound,
               absl::StrCat(name, " does not exist"));
}

absl::Status RunWait(Session& session, const WaitOptions& options) {
  ASSIGN_OR_RETURN(const std::string name, FullName("guests", options.name));
  ASSIGN_OR_RETURN(const Condition wanted, ParseCondition(options.condition));
  ASSIGN_OR_RETURN(const absl::Duration timeout, ParseSpan(options.timeout));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  v1::WatchGuestsRequest request;
  request.set_filter(FilterTerm("name", name));
  // For an address, also which networks there are.
  if (wanted.address) request.set_view(v1::FULL);
  Seen seen;
  bool reached = false;
  bool gone = false;
  absl::Status status = FollowStream<v1::Guests::Stub, v1::WatchGuestsRequest,
                                     v1::WatchGuestsResponse>(
      *client, &v1::Guests::Stub::WatchGuests, client->guests(), request,
      absl::Now() + timeout, /*start_afresh=*/true,
      [&](const v1::WatchGuestsResponse& response) {
        if (response.has_guest()) {
          seen.guest = response.guest();
        } else if (response.removed() == name) {
          seen.guest.reset();
          seen.all = true;
        } else if (response.has_progress()) {
          seen.all = true;
        }
        reached = IsReached(seen, wanted);
        // Nobody can reach a state that is not there.
        gone = !wanted.deleted && seen.all && !seen.guest.has_value();
        return !reached && !gone;
      });
  if (reached) {
    if (wanted.address && !IsJson(session.format())) {
      session.Print(absl::StrCat(
          absl::StrJoin(seen.guest->addresses(), "\n",
                        [](std::string* out, const std::string& address) {
                          absl::StrAppend(out, Printable(address));
                        }),
          "\n"));
      return absl::OkStatus();
    }
    if (seen.guest.has_value()) return ShowChanged(session, *seen.guest);
    session.Say(absl::StrCat(name, " is deleted"));
    return absl::OkStatus();
  }
  if (gone) return Absent(name);
  if (absl::IsDeadlineExceeded(status)) {
    return Error(
        absl::StatusCode::kDeadlineExceeded, reason::kDeadlineExceeded,
        absl::StrCat(
            "timed out after ", absl::FormatDuration(timeout), " waiting for ",
            name,
            wanted.address ? std::string(" to have an address")
                           : absl::StrCat(" to be ", options.condition),
            "; ", Describe(seen, wanted, session.environment().clock->Now())));
  }
  if (!status.ok()) return status;
  return absl::UnavailableError(
      absl::StrCat("the service ended the watch of ", name, "; ",
                   Describe(seen, wanted, session.environment().clock->Now())));
}

}  // namespace

void AddWaitCommand(CommandSet& commands) {
  Session* session = &commands.session();
  auto options = std::make_shared<WaitOptions>();
  CLI::App* wait =
      commands.Add(commands.root(), "wait", "Wait for a guest to get somewhere",
                   [=] { return RunWait(*session, *options); });
  commands
      .Takes(NameKind::kGuest,
             wait->add_option("NAME", options->name, "The guest"))
      ->required();
  wait->add_option("--for", options->condition,
                   "running, stopped, paused, failed, state=STATE, ip (an "
                   "address is known; it is printed) or deleted")
      ->type_name("CONDITION")
      ->capture_default_str();
  wait->add_option("--timeout", options->timeout, "How long")
      ->type_name("SPAN")
      ->capture_default_str();
}

}  // namespace innkeeper
