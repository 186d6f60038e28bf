#include "rpc/order_by.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/reason.h"
#include "rpc/text.h"

namespace innkeeper {
namespace {

absl::Status Fail(absl::string_view message, const FieldSchema& schema) {
  const std::string clean = CleanText(message, 512);
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidOrderBy,
               absl::StrCat("order_by ", clean))
      .With("known_fields", schema.Known())
      .Field("order_by", clean);
}

}  // namespace

absl::StatusOr<OrderBy> OrderBy::Parse(absl::string_view text,
                                       const FieldSchema& schema) {
  OrderBy order;
  if (absl::StripAsciiWhitespace(text).empty()) return order;
  for (const absl::string_view part :
       absl::StrSplit(text, absl::MaxSplits(',', kMaxKeys))) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(absl::StripAsciiWhitespace(part),
                       absl::ByAnyChar(" \t\n\r"), absl::SkipEmpty());
    if (words.empty() || words.size() > 2 ||
        (words.size() == 2 && words[1] != "asc" && words[1] != "desc")) {
      return Fail(absl::StrCat("has '", part,
                               "', where a field stands, alone or with asc or "
                               "desc"),
                  schema);
    }
    if (order.keys_.size() == kMaxKeys) {
      return Fail(absl::StrCat("has more than ", kMaxKeys, " fields"), schema);
    }
    if (schema.Find(words[0]) == nullptr) {
      return Fail(absl::StrCat("names the unknown field '", words[0],
                               "'; known are ", schema.Known()),
                  schema);
    }
    for (const Key& key : order.keys_) {
      if (key.path == words[0]) {
        return Fail(absl::StrCat("names '", words[0], "' twice"), schema);
      }
    }
    order.keys_.push_back(
        {std::string(words[0]), words.size() == 2 && words[1] == "desc"});
  }
  // Names are unique: nothing after one counts.
  if (order.keys_[0].path == "name" && !order.keys_[0].descending) {
    order.keys_.clear();
  }
  return order;
}

std::vector<FieldValue> OrderBy::ValuesOf(const FieldSource& row) const {
  std::vector<FieldValue> values;
  values.reserve(keys_.size());
  for (const Key& key : keys_) values.push_back(row.Get(key.path));
  return values;
}

int OrderBy::Compare(const std::vector<FieldValue>& a,
                     const std::vector<FieldValue>& b) const {
  for (size_t i = 0; i < keys_.size(); ++i) {
    const int compared = CompareFields(a[i], b[i]);
    if (compared != 0) return keys_[i].descending ? -compared : compared;
  }
  return 0;
}

}  // namespace innkeeper
