#include "cli/command/list_command.h"

#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/command/command_set.h"
#include "cli/command/name_kind.h"
#include "cli/command/print_list.h"
#include "cli/filter.h"
#include "cli/name.h"
#include "cli/output/format.h"
#include "cli/output/guest_view.h"
#include "cli/output/table.h"
#include "cli/session.h"
#include "cli/stream.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

struct ListOptions {
  std::string filter;
  std::string owner;
  std::string host;
  std::string sort_by;
  bool watch = false;
  bool full = false;
};

absl::StatusOr<std::string> FilterOf(const ListOptions& options) {
  std::vector<std::string> terms;
  if (!options.owner.empty()) {
    ASSIGN_OR_RETURN(const std::string owner, OwnerName(options.owner));
    terms.push_back(FilterTerm("owner", owner));
  }
  if (!options.host.empty()) {
    ASSIGN_OR_RETURN(const std::string host, FullName("hosts", options.host));
    terms.push_back(FilterTerm("host", host));
  }
  return AndFilter(options.filter, terms);
}

v1::GuestView ViewOf(Session& session, const ListOptions& options) {
  return options.full || session.format() == OutputFormat::kWide ? v1::FULL
                                                                 : v1::BASIC;
}

void WarnUnreachable(Session& session,
                     const absl::btree_set<std::string>& hosts) {
  if (hosts.empty()) return;
  session.Warn(absl::StrCat("unreachable, guests as last seen: ",
                            absl::StrJoin(hosts, ", ")));
}

absl::Status RunOnce(Session& session, const ListOptions& options) {
  v1::ListGuestsRequest request;
  ASSIGN_OR_RETURN(*request.mutable_filter(), FilterOf(options));
  request.set_order_by(options.sort_by);
  request.set_view(ViewOf(session, options));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  v1::ListGuestsResponse all;
  absl::btree_set<std::string> unreachable;
  RETURN_IF_ERROR(
      client->CallForPages(&v1::Guests::Stub::ListGuests, client->guests(),
                           request, [&](v1::ListGuestsResponse& page) {
                             all.mutable_guests()->MergeFrom(page.guests());
                             unreachable.insert(page.unreachable().begin(),
                                                page.unreachable().end());
                           }));
  // Each host that is away is named once.
  for (const std::string& host : unreachable) all.add_unreachable(host);
  WarnUnreachable(session, unreachable);
  const bool wide = session.format() == OutputFormat::kWide;
  const absl::Time now = session.environment().clock->Now();
  return PrintList(
      session, all, all.guests(), GuestTable(wide, session.coloured()),
      [&](const v1::Guest& guest) { return GuestRow(guest, wide, now); });
}

// Shows one update after the other. What is there at the start becomes one
// aligned table.
class GuestWatch {
 public:
  explicit GuestWatch(Session& session)
      : session_(session),
        wide_(session.format() == OutputFormat::kWide),
        table_(GuestTable(wide_, session.coloured())) {}

  absl::Status Show(const v1::WatchGuestsResponse& response) {
    if (response.has_progress()) {
      const absl::btree_set<std::string> away(
          response.progress().unreachable().begin(),
          response.progress().unreachable().end());
      if (away != unreachable_) WarnUnreachable(session_, away);
      unreachable_ = away;
      started_ = true;
    }
    if (IsJson(session_.format())) return session_.PrintJson(response);
    if (session_.format() == OutputFormat::kName) {
      if (response.has_guest()) session_.PrintLine(response.guest().name());
      return absl::OkStatus();
    }
    if (response.has_guest()) {
      table_.Add(GuestRow(response.guest(), wide_,
                          session_.environment().clock->Now()));
    } else if (!response.removed().empty()) {
      table_.Add({std::string(ShortName(response.removed())), "", "",
                  Cell("GONE", Colour::kWarning)});
    }
    if (started_) session_.Print(table_.Render());
    return absl::OkStatus();
  }

 private:
  Session& session_;
  const bool wide_;
  Table table_;
  bool started_ = false;
  absl::btree_set<std::string> unreachable_;
};

absl::Status RunWatch(Session& session, const ListOptions& options) {
  if (!options.sort_by.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 "changes come in the order they happen; leave out --sort-by");
  }
  v1::WatchGuestsRequest request;
  ASSIGN_OR_RETURN(*request.mutable_filter(), FilterOf(options));
  request.set_view(ViewOf(session, options));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  GuestWatch watch(session);
  absl::Status shown;
  const absl::Status status =
      FollowStream<v1::Guests::Stub, v1::WatchGuestsRequest,
                   v1::WatchGuestsResponse>(
          *client, &v1::Guests::Stub::WatchGuests, client->guests(), request,
          absl::InfiniteFuture(), /*start_afresh=*/true,
          [&](const v1::WatchGuestsResponse& response) {
            shown = watch.Show(response);
            return shown.ok();
          });
  RETURN_IF_ERROR(shown);
  // Ctrl-C is how a watch ends.
  return client->interrupt()->raised() ? absl::OkStatus() : status;
}

}  // namespace

void AddListCommand(CommandSet& commands) {
  Session* session = &commands.session();
  auto options = std::make_shared<ListOptions>();
  CLI::App* list =
      commands.Add(commands.root(), "list", "List guests, on every host", [=] {
        return options->watch ? RunWatch(*session, *options)
                              : RunOnce(*session, *options);
      });
  list->alias("ls");
  list->add_option("--filter", options->filter,
                   "Such as: state = RUNNING AND labels.tier = \"web\"")
      ->type_name("FILTER");
  list->add_option("--owner", options->owner, "Only this owner's")
      ->type_name("USER");
  commands
      .Takes(NameKind::kHost,
             list->add_option("--host", options->host, "Only on this host"))
      ->type_name("HOST");
  list->add_option("--sort-by", options->sort_by,
                   "Such as: owner,create_time desc")
      ->type_name("FIELDS");
  list->add_flag("--watch", options->watch, "Go on with every change");
  list->add_flag("--full", options->full, "Everything about each, for JSON");
}

}  // namespace innkeeper
