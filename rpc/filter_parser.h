// Text to Filter.
#ifndef INNKEEPER_RPC_FILTER_PARSER_H_
#define INNKEEPER_RPC_FILTER_PARSER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rpc/field_schema.h"
#include "rpc/filter.h"

namespace innkeeper {

// Parses one text, by recursive descent of bounded depth. Used by
// Filter::Parse.
class FilterParser {
 public:
  FilterParser(absl::string_view text, const FieldSchema& schema)
      : text_(text), schema_(schema) {}

  absl::StatusOr<Filter> Parse();

 private:
  // A value as it was written.
  struct Literal {
    size_t position = 0;
    bool quoted = false;
    // What is between the wildcards.
    std::vector<std::string> parts;

    bool is_wildcard() const {
      return parts.size() == 2 && parts[0].empty() && parts[1].empty();
    }
  };

  absl::StatusOr<size_t> ParseAnd(int depth);
  absl::StatusOr<size_t> ParseOr(int depth);
  absl::StatusOr<size_t> ParseFactor(int depth);
  absl::StatusOr<size_t> ParseTerm();
  absl::StatusOr<Filter::Operator> ParseOperator();
  absl::StatusOr<Literal> ParseLiteral();
  absl::Status SetValue(const FieldSpec& field, const Literal& literal,
                        Filter::Term& term) const;

  void SkipSpace();
  // Takes `word` if it stands here as a word of its own.
  bool TakeWord(absl::string_view word);
  bool Take(char c);
  size_t Add(Filter::Node node);
  absl::Status Fail(size_t position, absl::string_view message,
                    absl::string_view field = "") const;

  const absl::string_view text_;
  const FieldSchema& schema_;
  size_t at_ = 0;
  int terms_ = 0;
  Filter filter_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_FILTER_PARSER_H_
