// A place in a list: behind one element.
#ifndef INNKEEPER_RPC_LIST_PLACE_H_
#define INNKEEPER_RPC_LIST_PLACE_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "rpc/field_schema.h"
#include "rpc/order_by.h"

namespace innkeeper {

// The element that a page ended with: its name, and its values of the order's
// keys, as they were then. A value; owns its text.
class ListPlace {
 public:
  ListPlace(absl::string_view name, const std::vector<FieldValue>& values);

  // Bytes that Parse() reads. Texts of values are cut to 256 bytes: rows that
  // differ only behind that may repeat or be omitted at a page's edge.
  std::string Serialize() const;
  // Input: sealed, so it is what Serialize() made, or false.
  static bool Parse(absl::string_view bytes, ListPlace* place);

  // Whether a row of `name` and `values` comes behind this place in `order`.
  bool Precedes(const OrderBy& order, absl::string_view name,
                const std::vector<FieldValue>& values) const;

  const std::string& name() const { return name_; }
  size_t size() const { return values_.size(); }

 private:
  using Owned =
      std::variant<std::monostate, std::string, int64_t, bool, absl::Time>;

  std::string name_;
  std::vector<Owned> values_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_LIST_PLACE_H_
