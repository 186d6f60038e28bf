#include "base/flag_arguments.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace innkeeper {

std::vector<std::string> SpellFlags(std::vector<std::string> arguments) {
  for (size_t i = 1; i < arguments.size() && arguments[i] != "--"; ++i) {
    std::string& argument = arguments[i];
    if (argument.compare(0, 2, "--") != 0) continue;
    const auto name_end = std::find(argument.begin(), argument.end(), '=');
    std::replace(argument.begin() + 2, name_end, '-', '_');
  }
  return arguments;
}

FlagArguments::FlagArguments(int argc, char** argv)
    : FlagArguments(std::vector<std::string>(argv, argv + argc)) {}

FlagArguments::FlagArguments(std::vector<std::string> arguments)
    : texts_(SpellFlags(std::move(arguments))) {
  values_.reserve(texts_.size() + 1);
  for (std::string& text : texts_) values_.push_back(text.data());
  values_.push_back(nullptr);
}

int FlagArguments::count() const { return static_cast<int>(texts_.size()); }

}  // namespace innkeeper
