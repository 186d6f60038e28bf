// Aligned columns.
#ifndef INNKEEPER_CLI_OUTPUT_TABLE_H_
#define INNKEEPER_CLI_OUTPUT_TABLE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace innkeeper {

enum class Colour { kNone, kGood, kWarning, kBad };

// One cell. The text may be anything: it is neutralised when rendered.
struct Cell {
  // NOLINTNEXTLINE(google-explicit-constructor): a cell is mostly its text.
  Cell(std::string text) : text(std::move(text)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Cell(const char* text) : text(text) {}
  Cell(std::string text, Colour colour)
      : text(std::move(text)), colour(colour) {}

  std::string text;
  Colour colour = Colour::kNone;
};

// Not thread-safe. Columns are two spaces apart; the last one is not padded and
// an empty cell is shown as "-".
class Table {
 public:
  // `coloured` allows terminal colours.
  Table(std::vector<std::string> header, bool coloured);

  void Add(std::vector<Cell> row);

  // The header and every row added since the last call. Widths only grow from
  // one call to the next, so that rows that come later line up as far as they
  // can; the header comes with the first call only.
  std::string Render();

 private:
  std::string RenderRow(const std::vector<Cell>& row) const;

  const std::vector<std::string> header_;
  const bool coloured_;
  bool header_shown_ = false;
  std::vector<int> widths_;
  std::vector<std::vector<Cell>> rows_;
};

// `text`, neutralised, in `colour` where `coloured`.
std::string Coloured(absl::string_view text, Colour colour, bool coloured);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_OUTPUT_TABLE_H_
