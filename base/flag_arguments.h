// A process's arguments, with its flags spelt as Abseil wants them.
#ifndef INNKEEPER_BASE_FLAG_ARGUMENTS_H_
#define INNKEEPER_BASE_FLAG_ARGUMENTS_H_

#include <string>
#include <vector>

namespace innkeeper {

// `arguments`, of which the first is the program, with underscores in place of
// the dashes in the names of flags: "--check-config=a-b" becomes
// "--check_config=a-b". Only what begins with two dashes is a flag; what
// follows "--" belongs to somebody else and stays as it is.
std::vector<std::string> SpellFlags(std::vector<std::string> arguments);

// SpellFlags in the form of main's parameters:
//
//   FlagArguments arguments(argc, argv);
//   absl::ParseCommandLine(arguments.count(), arguments.values());
//
// Owns the text, which what was parsed may point to. Not thread-safe.
class FlagArguments {
 public:
  FlagArguments(int argc, char** argv);
  explicit FlagArguments(std::vector<std::string> arguments);
  FlagArguments(const FlagArguments&) = delete;
  FlagArguments& operator=(const FlagArguments&) = delete;

  int count() const;
  // A null pointer follows the last.
  char** values() { return values_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> values_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_FLAG_ARGUMENTS_H_
