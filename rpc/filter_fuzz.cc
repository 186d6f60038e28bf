// Feeds arbitrary text to the parsers of filters and orders; what they accept
// is run against a row.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "rpc/field_schema.h"
#include "rpc/filter.h"
#include "rpc/order_by.h"

namespace {

using innkeeper::FieldSchema;
using innkeeper::FieldType;
using innkeeper::FieldValue;

class Row final : public innkeeper::FieldSource {
 public:
  FieldValue Get(absl::string_view path) const override {
    if (path == "name") return absl::string_view("guests/web");
    if (path == "state") return absl::string_view("RUNNING");
    if (path == "count") return int64_t{4};
    if (path == "stale") return true;
    if (path == "time") return absl::UnixEpoch();
    return FieldValue();
  }
};

const FieldSchema& Schema() {
  static const auto* const kSchema =
      new FieldSchema({{"name", FieldType::kString, {}},
                       {"state", FieldType::kEnum, {"RUNNING", "STOPPED"}},
                       {"count", FieldType::kInt, {}},
                       {"stale", FieldType::kBool, {}},
                       {"time", FieldType::kTime, {}},
                       {"labels.*", FieldType::kString, {}}});
  return *kSchema;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto filter = innkeeper::Filter::Parse(text, Schema());
  if (filter.ok()) filter->Matches(Row());
  const auto order = innkeeper::OrderBy::Parse(text, Schema());
  if (order.ok()) {
    const auto values = order->ValuesOf(Row());
    if (order->Compare(values, values) != 0) __builtin_trap();
  }
  return 0;
}
