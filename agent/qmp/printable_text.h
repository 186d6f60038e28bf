// Makes text that an untrusted peer wrote fit for errors, logs and terminals.
//
// Input: untrusted.
#ifndef INNKEEPER_AGENT_QMP_PRINTABLE_TEXT_H_
#define INNKEEPER_AGENT_QMP_PRINTABLE_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace innkeeper {

// `text` as valid UTF-8 of at most `limit` bytes: "..." ends what was cut, and
// '?' stands for each control character (C0, DEL, C1) and each byte that is not
// UTF-8. `limit` is at least 3. Thread-safe.
std::string PrintableText(absl::string_view text, size_t limit);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_PRINTABLE_TEXT_H_
