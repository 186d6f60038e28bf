#include "cli/command/event_command.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Validators.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/command/command_set.h"
#include "cli/name.h"
#include "cli/output/format.h"
#include "cli/output/table.h"
#include "cli/output/time_text.h"
#include "cli/session.h"
#include "cli/stream.h"
#include "innkeeper/v1/events.pb.h"

namespace innkeeper {
namespace {

struct EventOptions {
  bool follow = false;
  std::string since;
  std::string resume;
  std::string filter;
};

// Shows events once each, in the form that was asked for.
class EventPrinter {
 public:
  explicit EventPrinter(Session& session)
      : session_(session),
        table_({"TIME                ", "HOST", "TYPE              ", "GUEST",
                "CALLER", "MESSAGE"},
               session.coloured()) {}

  absl::Status Show(const v1::WatchEventsResponse& response) {
    if (response.has_event() && IsRepeated(response.event())) {
      return absl::OkStatus();
    }
    if (IsJson(session_.format())) return session_.PrintJson(response);
    if (!response.has_event()) return absl::OkStatus();
    const v1::Event& event = response.event();
    if (session_.format() == OutputFormat::kName) {
      session_.PrintLine(event.guest().empty() ? event.host() : event.guest());
      return absl::OkStatus();
    }
    table_.Add({TimeText(event.time()), std::string(ShortName(event.host())),
                event.type(), std::string(ShortName(event.guest())),
                event.caller(), event.message()});
    session_.Print(table_.Render());
    return absl::OkStatus();
  }

 private:
  // After a break, events since the last mark come again.
  bool IsRepeated(const v1::Event& event) {
    int64_t& last = last_[{event.host(), event.epoch()}];
    if (event.sequence() <= last) return true;
    last = event.sequence();
    return false;
  }

  Session& session_;
  Table table_;
  // (host, epoch) to the last sequence shown; sequences start at one.
  std::map<std::pair<std::string, std::string>, int64_t> last_;
};

absl::Status RunEvents(Session& session, const EventOptions& options) {
  v1::WatchEventsRequest request;
  request.set_filter(options.filter);
  request.set_resume_token(options.resume);
  request.set_until_now(!options.follow);
  // Without --follow, only what was kept can be shown.
  request.set_from_oldest(options.resume.empty() &&
                          (options.since == "oldest" ||
                           (options.since.empty() && !options.follow)));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  EventPrinter printer(session);
  absl::Status shown;
  const absl::Status status =
      FollowStream<v1::Events::Stub, v1::WatchEventsRequest,
                   v1::WatchEventsResponse>(
          *client, &v1::Events::Stub::WatchEvents, client->events(), request,
          absl::InfiniteFuture(), /*start_afresh=*/false,
          [&](const v1::WatchEventsResponse& response) {
            shown = printer.Show(response);
            return shown.ok();
          });
  RETURN_IF_ERROR(shown);
  return client->interrupt()->raised() ? absl::OkStatus() : status;
}

}  // namespace

void AddEventCommand(CommandSet& commands) {
  Session* session = &commands.session();
  auto options = std::make_shared<EventOptions>();
  CLI::App* events =
      commands.Add(commands.root(), "events", "Show what happened",
                   [=] { return RunEvents(*session, *options); });
  events->add_flag("-f,--follow", options->follow,
                   "Go on with what happens from now on");
  CLI::Option* since =
      events
          ->add_option("--since", options->since,
                       "oldest (default without --follow) or now (default "
                       "with it)")
          ->check(CLI::IsMember({"oldest", "now"}))
          ->type_name("WHEN");
  events
      ->add_option("--resume", options->resume,
                   "Go on after this token, from a mark in the JSON forms")
      ->type_name("TOKEN")
      ->excludes(since);
  events
      ->add_option("--filter", options->filter,
                   "Such as: type = \"guest.failed\"")
      ->type_name("FILTER");
}

}  // namespace innkeeper
