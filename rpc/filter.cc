#include "rpc/filter.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "rpc/filter_parser.h"

namespace innkeeper {
namespace {

template <typename T>
bool Compare(Filter::Operator op, const T& a, const T& b) {
  switch (op) {
    case Filter::Operator::kEqual:
    case Filter::Operator::kHas:
      return a == b;
    case Filter::Operator::kNotEqual:
      return a != b;
    case Filter::Operator::kLess:
      return a < b;
    case Filter::Operator::kLessOrEqual:
      return a <= b;
    case Filter::Operator::kGreater:
      return a > b;
    case Filter::Operator::kGreaterOrEqual:
      return a >= b;
  }
  return false;
}

}  // namespace

absl::StatusOr<Filter> Filter::Parse(absl::string_view text,
                                     const FieldSchema& schema) {
  return FilterParser(text, schema).Parse();
}

bool Filter::Matches(const FieldSource& row) const {
  return nodes_.empty() || Evaluate(root_, row);
}

bool Filter::Evaluate(size_t index, const FieldSource& row) const {
  const Node& node = nodes_[index];
  switch (node.kind) {
    case Node::Kind::kTerm:
      return Test(node.term, row);
    case Node::Kind::kNot:
      return !Evaluate(node.children[0], row);
    case Node::Kind::kAnd:
      for (const size_t child : node.children) {
        if (!Evaluate(child, row)) return false;
      }
      return true;
    case Node::Kind::kOr:
      for (const size_t child : node.children) {
        if (Evaluate(child, row)) return true;
      }
      return false;
  }
  return false;
}

bool Filter::Test(const Term& term, const FieldSource& row) {
  const FieldValue value = row.Get(term.path);
  if (std::holds_alternative<std::monostate>(value)) {
    return term.op == Operator::kNotEqual;
  }
  if (term.presence) return true;
  if (const auto* text = std::get_if<absl::string_view>(&value)) {
    if (term.parts.empty()) return false;
    if (term.op == Operator::kHas && term.type == FieldType::kString) {
      return absl::StrContains(*text, term.parts[0]);
    }
    return MatchesParts(*text, term.parts) != (term.op == Operator::kNotEqual);
  }
  if (const auto* number = std::get_if<int64_t>(&value)) {
    return Compare(term.op, *number, term.number);
  }
  if (const auto* flag = std::get_if<bool>(&value)) {
    return Compare(term.op, *flag, term.flag);
  }
  return Compare(term.op, std::get<absl::Time>(value), term.time);
}

// The first part is at the start, the last at the end, and those between them
// follow each other; taking each as early as possible misses no match.
bool Filter::MatchesParts(absl::string_view text,
                          const std::vector<std::string>& parts) {
  if (parts.size() == 1) return text == parts[0];
  if (!absl::ConsumePrefix(&text, parts.front())) return false;
  for (size_t i = 1; i + 1 < parts.size(); ++i) {
    const size_t at = text.find(parts[i]);
    if (at == absl::string_view::npos) return false;
    text.remove_prefix(at + parts[i].size());
  }
  return absl::EndsWith(text, parts.back());
}

}  // namespace innkeeper
