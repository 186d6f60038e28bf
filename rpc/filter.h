// The filter language of lists and streams: a subset of AIP-160.
//
//   state = RUNNING AND (labels.env = prod* OR NOT owner = "user/alice")
//
// Operators: =, != (with * in strings), <, <=, >, >= (numbers and times), and :
// (a string contains the text, a map has the key, anything is there: *).
// OR binds closer than AND, as AIP-160 has it. A field without a value matches
// nothing but != and NOT.
#ifndef INNKEEPER_RPC_FILTER_H_
#define INNKEEPER_RPC_FILTER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rpc/field_schema.h"

namespace innkeeper {

// Immutable. Copyable.
class Filter {
 public:
  static constexpr size_t kMaxBytes = 4096;
  static constexpr int kMaxDepth = 32;
  static constexpr int kMaxTerms = 100;

  enum class Operator {
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kHas
  };

  // Matches everything.
  Filter() = default;

  // Input: untrusted. INVALID_ARGUMENT (INVALID_FILTER), naming the position,
  // the field and the known fields, if `text` does not parse, names an unknown
  // field, compares it with what it cannot be, or is beyond the limits. An
  // empty text matches everything.
  static absl::StatusOr<Filter> Parse(absl::string_view text,
                                      const FieldSchema& schema);

  bool Matches(const FieldSource& row) const;
  bool matches_all() const { return nodes_.empty(); }

 private:
  friend class FilterParser;

  // One comparison of a field with a value.
  struct Term {
    std::string path;
    FieldType type = FieldType::kString;
    Operator op = Operator::kEqual;
    bool presence = false;  // ":*"
    // Of strings: what is between the wildcards; without any, one part.
    std::vector<std::string> parts;
    int64_t number = 0;
    bool flag = false;
    absl::Time time;
  };
  struct Node {
    enum class Kind { kTerm, kNot, kAnd, kOr } kind = Kind::kTerm;
    Term term;
    std::vector<size_t> children;  // Indices in nodes_.
  };

  bool Evaluate(size_t index, const FieldSource& row) const;
  static bool Test(const Term& term, const FieldSource& row);
  static bool MatchesParts(absl::string_view text,
                           const std::vector<std::string>& parts);

  std::vector<Node> nodes_;
  size_t root_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_FILTER_H_
