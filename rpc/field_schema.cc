#include "rpc/field_schema.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kAnyKey = ".*";

}  // namespace

const FieldSpec* FieldSchema::Find(absl::string_view path) const {
  for (const FieldSpec& field : fields_) {
    if (field.path == path) return &field;
    absl::string_view map = field.path;
    if (absl::ConsumeSuffix(&map, kAnyKey) && absl::ConsumePrefix(&path, map)) {
      // A key may have dots of its own.
      if (path.size() > 1 && path[0] == '.') return &field;
      return nullptr;
    }
  }
  return nullptr;
}

bool FieldSchema::IsMap(absl::string_view path) const {
  for (const FieldSpec& field : fields_) {
    if (field.path == absl::StrCat(path, kAnyKey)) return true;
  }
  return false;
}

std::string FieldSchema::Known() const {
  std::vector<std::string> names;
  for (const FieldSpec& field : fields_) {
    absl::string_view map = field.path;
    names.push_back(absl::ConsumeSuffix(&map, kAnyKey)
                        ? absl::StrCat(map, ".KEY")
                        : field.path);
  }
  return absl::StrJoin(names, ", ");
}

int CompareFields(const FieldValue& a, const FieldValue& b) {
  if (a < b) return -1;
  return b < a ? 1 : 0;
}

}  // namespace innkeeper
