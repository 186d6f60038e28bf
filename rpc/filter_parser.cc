#include "rpc/filter_parser.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "rpc/text.h"

namespace innkeeper {
namespace {

using Operator = Filter::Operator;

bool IsFieldCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
         c == '.' || c == '-';
}

// Bare values end where something else begins.
bool EndsBareValue(char c) {
  return absl::ascii_isspace(static_cast<unsigned char>(c)) || c == '(' ||
         c == ')' || c == '"' || c == '\'';
}

bool Orders(Operator op) {
  return op == Operator::kLess || op == Operator::kLessOrEqual ||
         op == Operator::kGreater || op == Operator::kGreaterOrEqual;
}

}  // namespace

absl::StatusOr<Filter> FilterParser::Parse() {
  if (text_.size() > Filter::kMaxBytes) {
    return Fail(Filter::kMaxBytes,
                absl::StrCat("is longer than ", Filter::kMaxBytes, " bytes"));
  }
  SkipSpace();
  if (at_ == text_.size()) return Filter();
  ASSIGN_OR_RETURN(filter_.root_, ParseAnd(1));
  SkipSpace();
  if (at_ < text_.size()) {
    return Fail(at_, text_[at_] == ')'
                         ? "has a ')' without its '('"
                         : "has terms that are not joined by AND or OR");
  }
  return std::move(filter_);
}

absl::StatusOr<size_t> FilterParser::ParseAnd(int depth) {
  if (depth > Filter::kMaxDepth) {
    return Fail(
        at_, absl::StrCat("is nested more than ", Filter::kMaxDepth, " deep"));
  }
  Filter::Node node;
  node.kind = Filter::Node::Kind::kAnd;
  do {
    ASSIGN_OR_RETURN(const size_t child, ParseOr(depth));
    node.children.push_back(child);
  } while (TakeWord("AND"));
  return node.children.size() == 1 ? node.children[0] : Add(std::move(node));
}

absl::StatusOr<size_t> FilterParser::ParseOr(int depth) {
  Filter::Node node;
  node.kind = Filter::Node::Kind::kOr;
  do {
    ASSIGN_OR_RETURN(const size_t child, ParseFactor(depth));
    node.children.push_back(child);
  } while (TakeWord("OR"));
  return node.children.size() == 1 ? node.children[0] : Add(std::move(node));
}

absl::StatusOr<size_t> FilterParser::ParseFactor(int depth) {
  bool negated = false;
  while (true) {
    if (TakeWord("NOT") || Take('-')) {
      negated = !negated;
    } else {
      break;
    }
  }
  size_t node = 0;
  if (Take('(')) {
    ASSIGN_OR_RETURN(node, ParseAnd(depth + 1));
    if (!Take(')')) return Fail(at_, "lacks a ')'");
  } else {
    ASSIGN_OR_RETURN(node, ParseTerm());
  }
  if (!negated) return node;
  Filter::Node inverse;
  inverse.kind = Filter::Node::Kind::kNot;
  inverse.children.push_back(node);
  return Add(std::move(inverse));
}

absl::StatusOr<size_t> FilterParser::ParseTerm() {
  SkipSpace();
  const size_t start = at_;
  if (++terms_ > Filter::kMaxTerms) {
    return Fail(start, absl::StrCat("has more than ", Filter::kMaxTerms,
                                    " comparisons"));
  }
  while (at_ < text_.size() && IsFieldCharacter(text_[at_])) ++at_;
  std::string path(text_.substr(start, at_ - start));
  if (path.empty()) return Fail(start, "needs the name of a field");
  const bool is_map = schema_.IsMap(path);
  const FieldSpec* field = schema_.Find(path);
  if (field == nullptr && !is_map) {
    return Fail(start,
                absl::StrCat("names the unknown field '", path, "'; known are ",
                             schema_.Known()),
                path);
  }
  ASSIGN_OR_RETURN(const Operator op, ParseOperator());
  ASSIGN_OR_RETURN(const Literal literal, ParseLiteral());

  Filter::Node node;
  node.term.op = op;
  if (is_map) {
    // "labels:env" asks for the key.
    if (op != Operator::kHas || literal.parts.size() != 1 ||
        literal.parts[0].empty()) {
      return Fail(literal.position,
                  absl::StrCat("can only ask whether ", path,
                               " has a key: ", path, ":KEY"),
                  path);
    }
    node.term.path = absl::StrCat(path, ".", literal.parts[0]);
    node.term.presence = true;
    return Add(std::move(node));
  }
  node.term.path = std::move(path);
  node.term.type = field->type;
  RETURN_IF_ERROR(SetValue(*field, literal, node.term));
  return Add(std::move(node));
}

absl::StatusOr<Operator> FilterParser::ParseOperator() {
  SkipSpace();
  constexpr std::pair<absl::string_view, Operator> kOperators[] = {
      {"!=", Operator::kNotEqual},
      {"<=", Operator::kLessOrEqual},
      {">=", Operator::kGreaterOrEqual},
      {"=", Operator::kEqual},
      {"<", Operator::kLess},
      {">", Operator::kGreater},
      {":", Operator::kHas}};
  for (const auto& [text, op] : kOperators) {
    if (absl::StartsWith(text_.substr(at_), text)) {
      at_ += text.size();
      return op;
    }
  }
  return Fail(at_, "needs one of = != < <= > >= : after the field");
}

absl::StatusOr<FilterParser::Literal> FilterParser::ParseLiteral() {
  SkipSpace();
  Literal literal;
  literal.position = at_;
  literal.parts.emplace_back();
  const char quote = at_ < text_.size() ? text_[at_] : '\0';
  literal.quoted = quote == '"' || quote == '\'';
  if (literal.quoted) ++at_;
  bool closed = !literal.quoted;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (literal.quoted ? c == quote : EndsBareValue(c)) {
      if (literal.quoted) ++at_;
      closed = true;
      break;
    }
    ++at_;
    if (c == '*') {
      literal.parts.emplace_back();
    } else if (c == '\\' && literal.quoted && at_ < text_.size()) {
      literal.parts.back() += text_[at_++];
    } else {
      literal.parts.back() += c;
    }
  }
  if (!closed) return Fail(literal.position, "has a string without its end");
  if (!literal.quoted && at_ == literal.position) {
    return Fail(literal.position, "needs a value after the operator");
  }
  return literal;
}

absl::Status FilterParser::SetValue(const FieldSpec& field,
                                    const Literal& literal,
                                    Filter::Term& term) const {
  const std::string text = absl::StrJoin(literal.parts, "*");
  const auto fail = [&](absl::string_view wanted) {
    return Fail(literal.position,
                absl::StrCat("compares ", term.path, " with '", text, "', but ",
                             wanted),
                term.path);
  };
  if (term.op == Operator::kHas && literal.is_wildcard()) {
    term.presence = true;
    return absl::OkStatus();
  }
  const bool wild = literal.parts.size() > 1;
  const bool orders = Orders(term.op);
  switch (field.type) {
    case FieldType::kString:
      if (orders) return fail("strings have no order here");
      if (wild && term.op == Operator::kHas) {
        return fail("after ':' there is only text, or * alone");
      }
      term.parts = literal.parts;
      return absl::OkStatus();
    case FieldType::kEnum:
      if (orders) return fail("it has no order");
      if (wild || std::find(field.values.begin(), field.values.end(), text) ==
                      field.values.end()) {
        return fail(
            absl::StrCat("it is one of ", absl::StrJoin(field.values, ", ")));
      }
      term.parts = literal.parts;
      return absl::OkStatus();
    case FieldType::kInt:
      return absl::SimpleAtoi(text, &term.number)
                 ? absl::OkStatus()
                 : fail("it is a whole number");
    case FieldType::kBool:
      if (orders || (text != "true" && text != "false")) {
        return fail("it is true or false");
      }
      term.flag = text == "true";
      return absl::OkStatus();
    case FieldType::kTime: {
      std::string error;
      return absl::ParseTime(absl::RFC3339_full, text, &term.time, &error)
                 ? absl::OkStatus()
                 : fail("it is a time such as 2026-01-02T03:04:05Z");
    }
  }
  return absl::OkStatus();
}

void FilterParser::SkipSpace() {
  while (at_ < text_.size() &&
         absl::ascii_isspace(static_cast<unsigned char>(text_[at_]))) {
    ++at_;
  }
}

bool FilterParser::TakeWord(absl::string_view word) {
  SkipSpace();
  const absl::string_view rest = text_.substr(at_);
  if (!absl::StartsWith(rest, word)) return false;
  if (rest.size() > word.size() && IsFieldCharacter(rest[word.size()])) {
    return false;
  }
  at_ += word.size();
  return true;
}

bool FilterParser::Take(char c) {
  SkipSpace();
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

size_t FilterParser::Add(Filter::Node node) {
  filter_.nodes_.push_back(std::move(node));
  return filter_.nodes_.size() - 1;
}

absl::Status FilterParser::Fail(size_t position, absl::string_view message,
                                absl::string_view field) const {
  const std::string clean = CleanText(message, 1024);
  Error error(
      absl::StatusCode::kInvalidArgument, reason::kInvalidFilter,
      absl::StrCat("the filter, at character ", position + 1, ", ", clean));
  error.With("position", absl::StrCat(position + 1));
  error.With("known_fields", schema_.Known());
  if (!field.empty()) error.With("field", CleanText(field, 128));
  error.Field("filter",
              absl::StrCat("at character ", position + 1, ", ", clean));
  return error;
}

}  // namespace innkeeper
