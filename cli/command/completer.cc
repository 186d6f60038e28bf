#include "cli/command/completer.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Option.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "cli/api_client.h"
#include "cli/command/name_kind.h"
#include "cli/remotes.h"
#include "cli/session.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(2);
constexpr int kMaxNames = 1000;

// A service's names must not become commands of the shell.
bool IsPlainWord(absl::string_view text) {
  return !text.empty() && text[0] != '-' && text[0] != ':' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  absl::StrContains("-_./:@", absl::string_view(&c, 1));
         });
}

std::vector<Suggestion> GuestNames(ApiClient& client) {
  std::vector<Suggestion> names;
  v1::ListGuestsRequest request;
  request.set_page_size(kMaxNames);
  const auto listed = client.Call(&v1::Guests::Stub::ListGuests,
                                  client.guests(), request, kPatience);
  if (!listed.ok()) return names;
  for (const v1::Guest& guest : listed->guests()) {
    names.push_back({std::string(absl::StripPrefix(guest.name(), "guests/")),
                     absl::StrCat(v1::Guest::State_Name(guest.state()), " of ",
                                  absl::StripPrefix(guest.owner(), "user/"))});
  }
  return names;
}

std::vector<Suggestion> HostNames(ApiClient& client) {
  std::vector<Suggestion> names;
  v1::ListHostsRequest request;
  request.set_page_size(kMaxNames);
  const auto listed = client.Call(&v1::Hosts::Stub::ListHosts, client.hosts(),
                                  request, kPatience);
  if (!listed.ok()) return names;
  for (const v1::Host& host : listed->hosts()) {
    names.push_back({std::string(absl::StripPrefix(host.name(), "hosts/")),
                     v1::Host::State_Name(host.state())});
  }
  return names;
}

std::vector<Suggestion> OperationNames(ApiClient& client) {
  std::vector<Suggestion> names;
  google::longrunning::ListOperationsRequest request;
  request.set_page_size(kMaxNames);
  const auto listed =
      client.Call(&google::longrunning::Operations::Stub::ListOperations,
                  client.operations(), request, kPatience);
  if (!listed.ok()) return names;
  for (const auto& operation : listed->operations()) {
    v1::GuestOperationMetadata metadata;
    operation.metadata().UnpackTo(&metadata);
    names.push_back({operation.name(),
                     absl::StrCat(metadata.verb(), " ", metadata.guest())});
  }
  return names;
}

std::vector<Suggestion> ContextNames(ApiClient& client) {
  std::vector<Suggestion> names;
  v1::ListContextsRequest request;
  request.set_page_size(kMaxNames);
  const auto listed = client.Call(&v1::Contexts::Stub::ListContexts,
                                  client.contexts(), request, kPatience);
  if (!listed.ok()) return names;
  std::set<std::string> seen;  // One may be on several hosts.
  for (const v1::Context& context : listed->contexts()) {
    if (!seen.insert(context.name()).second) continue;
    names.push_back(
        {std::string(absl::StripPrefix(context.name(), "contexts/")),
         context.description()});
  }
  return names;
}

std::vector<Suggestion> RemoteNames(Session& session) {
  std::vector<Suggestion> names;
  const auto path = RemotesPath(session.environment().variable);
  if (!path.ok()) return names;
  const auto remotes = LoadRemotes(*path);
  if (!remotes.ok()) return names;
  for (const auto& [name, remote] : remotes->remotes) {
    names.push_back({name, remote.address});
  }
  return names;
}

std::vector<Suggestion> NamesOf(Session& session, NameKind kind) {
  if (kind == NameKind::kNone) return {};
  if (kind == NameKind::kRemote) return RemoteNames(session);
  const absl::StatusOr<ApiClient*> client = session.Client();
  if (!client.ok()) return {};
  switch (kind) {
    case NameKind::kGuest:
      return GuestNames(**client);
    case NameKind::kHost:
      return HostNames(**client);
    case NameKind::kOperation:
      return OperationNames(**client);
    case NameKind::kContext:
      return ContextNames(**client);
    case NameKind::kNone:
    case NameKind::kRemote:
      break;
  }
  return {};
}

// "{a,b,c}" in the option's type: its choices.
std::vector<Suggestion> ChoicesOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t begin = type.find('{');
  const size_t end = type.find('}', begin);
  if (begin == std::string::npos || end == std::string::npos) return {};
  std::vector<Suggestion> choices;
  for (const absl::string_view choice : absl::StrSplit(
           absl::string_view(type).substr(begin + 1, end - begin - 1), ',')) {
    choices.push_back({std::string(choice), ""});
  }
  return choices;
}

bool TakesFile(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type == "FILE" || type == "DIR" || type == "PREFIX";
}

bool TakesValue(const CLI::Option& option) {
  return option.get_items_expected_max() != 0;
}

bool IsHidden(const CLI::App& command) { return command.get_group().empty(); }

// Follows the words that are complete.
class Walk {
 public:
  explicit Walk(CommandSet& commands)
      : commands_(commands), at_(commands.root()) {}

  void Take(const std::string& word) {
    if (pending_ != nullptr) {
      if (word == "=") return;
      if (pending_->check_lname("remote")) {
        commands_.session().options().remote = word;
      }
      pending_ = nullptr;
    } else if (!only_arguments_ && word == "--") {
      only_arguments_ = true;
    } else if (!only_arguments_ && absl::StartsWith(word, "-")) {
      TakeOption(word);
    } else if (CLI::App* command = FindCommand(word); command != nullptr) {
      at_ = command;
    } else {
      given_.insert(word);
    }
  }

  Suggestions Suggest(const std::string& word) const {
    if (pending_ != nullptr) {
      return ValuesOf(*pending_, word == "=" ? "" : word, "");
    }
    if (only_arguments_ || !absl::StartsWith(word, "-")) {
      return SuggestArgument(word);
    }
    const size_t equals = word.find('=');
    if (equals == std::string::npos) return SuggestOption(word);
    const CLI::Option* option = FindOption(word.substr(0, equals));
    if (option == nullptr) return {};
    return ValuesOf(*option, word.substr(equals + 1),
                    word.substr(0, equals + 1));
  }

 private:
  void TakeOption(const std::string& word) {
    const size_t equals = word.find('=');
    const CLI::Option* option = FindOption(word.substr(0, equals));
    if (option == nullptr || !TakesValue(*option)) return;
    pending_ = option;
    if (equals != std::string::npos) Take(word.substr(equals + 1));
  }

  const CLI::Option* FindOption(const std::string& word) const {
    const CLI::App* app = at_;
    for (const CLI::Option* option : app->get_options()) {
      if (option->check_name(word)) return option;
    }
    return nullptr;
  }

  CLI::App* FindCommand(const std::string& word) const {
    if (!given_.empty()) return nullptr;
    for (CLI::App* command :
         at_->get_subcommands([](CLI::App*) { return true; })) {
      if (command->check_name(word)) return command;
    }
    return nullptr;
  }

  Suggestions SuggestOption(const std::string& word) const {
    Suggestions suggestions;
    const CLI::App* app = at_;
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        const std::string value = absl::StrCat("--", name);
        if (!absl::StartsWith(value, word)) continue;
        suggestions.values.push_back({value, option->get_description()});
      }
    }
    return suggestions;
  }

  Suggestions SuggestArgument(const std::string& word) const {
    Suggestions suggestions;
    const CLI::App* app = at_;
    if (given_.empty()) {
      for (const CLI::App* command :
           app->get_subcommands([](const CLI::App*) { return true; })) {
        if (IsHidden(*command) ||
            !absl::StartsWith(command->get_name(), word)) {
          continue;
        }
        suggestions.values.push_back(
            {command->get_name(), command->get_description()});
      }
    }
    const CLI::Option* argument = NextArgument();
    if (!suggestions.values.empty() || argument == nullptr) return suggestions;
    return ValuesOf(*argument, word, "");
  }

  // The positional option that the next word belongs to.
  const CLI::Option* NextArgument() const {
    const CLI::App* app = at_;
    size_t left = given_.size();
    for (const CLI::Option* option : app->get_options()) {
      if (!option->get_positional()) continue;
      const auto most = static_cast<size_t>(option->get_items_expected_max());
      if (left < most) return option;
      left -= most;
    }
    return nullptr;
  }

  Suggestions ValuesOf(const CLI::Option& option, const std::string& word,
                       const std::string& before) const {
    Suggestions suggestions;
    suggestions.files = TakesFile(option);
    std::vector<Suggestion> values = ChoicesOf(option);
    if (values.empty()) {
      values = NamesOf(commands_.session(), commands_.KindOf(&option));
    }
    for (Suggestion& value : values) {
      if (!absl::StartsWith(value.value, word) || !IsPlainWord(value.value) ||
          given_.count(value.value) != 0) {
        continue;
      }
      value.value.insert(0, before);
      suggestions.values.push_back(std::move(value));
    }
    return suggestions;
  }

  CommandSet& commands_;
  CLI::App* at_;
  const CLI::Option* pending_ = nullptr;  // Wants a value.
  bool only_arguments_ = false;           // After "--".
  std::set<std::string> given_;           // Arguments so far.
};

}  // namespace

Suggestions Complete(CommandSet& commands,
                     const std::vector<std::string>& words) {
  if (words.empty()) return {};
  Walk walk(commands);
  for (size_t i = 0; i + 1 < words.size(); ++i) walk.Take(words[i]);
  return walk.Suggest(words.back());
}

}  // namespace innkeeper
