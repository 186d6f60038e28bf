// The order of lists: "state, create_time desc".
#ifndef INNKEEPER_RPC_ORDER_BY_H_
#define INNKEEPER_RPC_ORDER_BY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rpc/field_schema.h"

namespace innkeeper {

// Immutable. Copyable.
class OrderBy {
 public:
  static constexpr size_t kMaxKeys = 8;

  struct Key {
    std::string path;
    bool descending = false;
  };

  // By name, as rows come.
  OrderBy() = default;

  // Input: untrusted. INVALID_ARGUMENT (INVALID_ORDER_BY) for an unknown field,
  // one that is there twice, more than kMaxKeys, or what does not parse. Empty,
  // "name" and "name asc" are the default order.
  static absl::StatusOr<OrderBy> Parse(absl::string_view text,
                                       const FieldSchema& schema);

  bool is_default() const { return keys_.empty(); }
  const std::vector<Key>& keys() const { return keys_; }

  // The values of `row` that it is ordered by, in order of the keys.
  std::vector<FieldValue> ValuesOf(const FieldSource& row) const;
  // Less than 0 if a row with values `a` comes before one with `b`.
  int Compare(const std::vector<FieldValue>& a,
              const std::vector<FieldValue>& b) const;

 private:
  std::vector<Key> keys_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_ORDER_BY_H_
