#include "cli/command/command_set.h"

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "CLI/App.hpp"
#include "CLI/Validators.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/output/format.h"
#include "cli/session.h"

namespace innkeeper {
namespace {

const std::map<std::string, OutputFormat>& Formats() {
  static const auto* const formats = new std::map<std::string, OutputFormat>{
      {"table", OutputFormat::kTable}, {"wide", OutputFormat::kWide},
      {"json", OutputFormat::kJson},   {"jsonl", OutputFormat::kJsonl},
      {"name", OutputFormat::kName},
  };
  return *formats;
}

}  // namespace

CommandSet::CommandSet(CLI::App* root, Session* session)
    : root_(root), session_(session) {}

CLI::App* CommandSet::Add(CLI::App* parent, const std::string& name,
                          const std::string& description,
                          std::function<absl::Status()> run) {
  CLI::App* app = parent->add_subcommand(name, description);
  CommonOptions* common = &session_->options();
  app->add_option_function<std::string>(
         "-o,--output",
         [common](const std::string& text) {
           common->format = Formats().at(text);
         },
         "table, wide, json, jsonl or name")
      ->check(CLI::IsMember({"table", "wide", "json", "jsonl", "name"}))
      ->type_name("FORMAT")
      ->group("Common options");
  Takes(NameKind::kRemote,
        app->add_option("-R,--remote", common->remote,
                        "The agent or server to ask; see: inn remote list")
            ->type_name("NAME")
            ->group("Common options"));
  app->add_flag("-q,--quiet", common->quiet, "Nothing but results and errors")
      ->group("Common options");
  const std::string words =
      parent == root_ ? name : absl::StrCat(parent->get_name(), " ", name);
  commands_.push_back({app, words, std::move(run)});
  return app;
}

CLI::App* CommandSet::AddGroup(const std::string& name,
                               const std::string& description) {
  return root_->add_subcommand(name, description)->require_subcommand(1);
}

CLI::Option* CommandSet::Takes(NameKind kind, CLI::Option* option) {
  kinds_[option] = kind;
  return option;
}

NameKind CommandSet::KindOf(const CLI::Option* option) const {
  const auto known = kinds_.find(option);
  return known == kinds_.end() ? NameKind::kNone : known->second;
}

absl::Status CommandSet::Run() { return FindParsed()->run(); }

std::string CommandSet::Parsed() const {
  const Command* command = FindParsed();
  return command == nullptr ? "" : command->words;
}

const CommandSet::Command* CommandSet::FindParsed() const {
  for (const Command& command : commands_) {
    if (command.app->parsed()) return &command;
  }
  return nullptr;
}

}  // namespace innkeeper
