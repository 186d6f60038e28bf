// The fields that filters and orders may name, and how rows show them.
#ifndef INNKEEPER_RPC_FIELD_SCHEMA_H_
#define INNKEEPER_RPC_FIELD_SCHEMA_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace innkeeper {

// The value of one field of one row. Monostate: it has none. Names of enum
// values are strings. Text belongs to the row.
using FieldValue =
    std::variant<std::monostate, absl::string_view, int64_t, bool, absl::Time>;

// A row, as filters and orders see it.
class FieldSource {
 public:
  virtual ~FieldSource() = default;
  // `path` is one that the schema knows: "spec.vcpu_count", "labels.env".
  virtual FieldValue Get(absl::string_view path) const = 0;
};

enum class FieldType { kString, kInt, kBool, kTime, kEnum };

struct FieldSpec {
  // "spec.vcpu_count"; "labels.*" stands for every key of a map of strings.
  std::string path;
  FieldType type = FieldType::kString;
  // Of kEnum: the names, case-sensitive.
  std::vector<std::string> values;
};

// Immutable once made.
class FieldSchema {
 public:
  explicit FieldSchema(std::vector<FieldSpec> fields)
      : fields_(std::move(fields)) {}

  // Null if `path` is unknown.
  const FieldSpec* Find(absl::string_view path) const;
  // Whether `path` is the name of a map: "labels".
  bool IsMap(absl::string_view path) const;
  // "name, state, labels.KEY", for messages.
  std::string Known() const;

 private:
  std::vector<FieldSpec> fields_;
};

// Less than 0, 0 or more than 0. A field without a value comes first; values of
// different types, which no schema yields, in the order of their types.
int CompareFields(const FieldValue& a, const FieldValue& b);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_FIELD_SCHEMA_H_
