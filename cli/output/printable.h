// Makes text from elsewhere safe to show on a terminal.
#ifndef INNKEEPER_CLI_OUTPUT_PRINTABLE_H_
#define INNKEEPER_CLI_OUTPUT_PRINTABLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace innkeeper {

// Input: untrusted. `text` with everything that could move the cursor, recolour
// or reorder what is shown (control characters, escape sequences, direction
// marks, bytes that are not UTF-8) written out as \n, \x1b or \u{202e}. All
// else is kept; text that is kept contains no newline.
std::string Printable(absl::string_view text);

// As Printable, but keeps newlines: for text of several lines.
std::string PrintableLines(absl::string_view text);

// Columns that the printable UTF-8 `text` takes on a terminal: two for East
// Asian wide characters and emoji, none for combining marks.
int DisplayWidth(absl::string_view text);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_OUTPUT_PRINTABLE_H_
