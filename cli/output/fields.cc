#include "cli/output/fields.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/output/table.h"

namespace innkeeper {

void Fields::Add(std::string key, Cell value) {
  if (value.text.empty()) return;
  fields_.emplace_back(std::move(key), std::move(value));
}

std::string Fields::Render() const {
  size_t width = 0;
  for (const auto& field : fields_) {
    width = std::max(width, field.first.size());
  }
  std::string text;
  for (const auto& [key, value] : fields_) {
    absl::StrAppend(&text, key, ":", std::string(width - key.size() + 2, ' '),
                    Coloured(value.text, value.colour, coloured_), "\n");
  }
  return text;
}

}  // namespace innkeeper
