#include "cli/output/table.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cli/output/printable.h"

namespace innkeeper {
namespace {

std::string Shown(const Cell& cell) {
  return cell.text.empty() ? "-" : Printable(cell.text);
}

absl::string_view SequenceOf(Colour colour) {
  switch (colour) {
    case Colour::kGood:
      return "\x1b[32m";
    case Colour::kWarning:
      return "\x1b[33m";
    case Colour::kBad:
      return "\x1b[31m";
    case Colour::kNone:
      break;
  }
  return "";
}

}  // namespace

Table::Table(std::vector<std::string> header, bool coloured)
    : header_(std::move(header)), coloured_(coloured) {
  for (const std::string& title : header_) {
    widths_.push_back(DisplayWidth(title));
  }
}

void Table::Add(std::vector<Cell> row) {
  row.resize(header_.size(), Cell(""));
  for (size_t i = 0; i < row.size(); ++i) {
    widths_[i] = std::max(widths_[i], DisplayWidth(Shown(row[i])));
  }
  rows_.push_back(std::move(row));
}

std::string Table::Render() {
  std::string text;
  if (!header_shown_) {
    text = RenderRow({header_.begin(), header_.end()});
    header_shown_ = true;
  }
  for (const std::vector<Cell>& row : rows_) {
    absl::StrAppend(&text, RenderRow(row));
  }
  rows_.clear();
  return text;
}

std::string Table::RenderRow(const std::vector<Cell>& row) const {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    const std::string shown = Shown(row[i]);
    absl::StrAppend(&line, Coloured(shown, row[i].colour, coloured_));
    if (i + 1 == row.size()) break;
    line.append(widths_[i] - DisplayWidth(shown) + 2, ' ');
  }
  line.push_back('\n');
  return line;
}

std::string Coloured(absl::string_view text, Colour colour, bool coloured) {
  std::string shown = Printable(text);
  if (!coloured || colour == Colour::kNone) return shown;
  return absl::StrCat(SequenceOf(colour), shown, "\x1b[0m");
}

}  // namespace innkeeper
