#include "rpc/list_query.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "rpc/filter.h"
#include "rpc/list_place.h"
#include "rpc/order_by.h"
#include "rpc/request_field.h"

namespace innkeeper {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Rows = std::vector<std::shared_ptr<const ListRow>>;

constexpr int kElementField = 1;
constexpr int kTokenField = 2;
constexpr uint32_t kLengthDelimited = 2;

// One length-delimited field of a message.
void AppendField(int field, absl::string_view bytes, std::string& out) {
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.WriteTag(static_cast<uint32_t>(field) << 3 | kLengthDelimited);
  coded.WriteVarint32(static_cast<uint32_t>(bytes.size()));
  coded.WriteRaw(bytes.data(), static_cast<int>(bytes.size()));
}

int64_t IntField(const Message& message, const char* name) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr || field->cpp_type() != FieldDescriptor::CPPTYPE_INT32) {
    return 0;
  }
  return message.GetReflection()->GetInt32(message, field);
}

grpc::Slice ToSlice(const std::string& bytes) { return grpc::Slice(bytes); }

// What of a list a page takes.
struct Page {
  std::vector<const ListRow*> rows;
  size_t bytes = 0;
  bool last = true;
};

// Adds rows until one does not fit.
class PageFiller {
 public:
  PageFiller(int view, size_t limit) : view_(view), limit_(limit) {}

  // False if the page is full and `row` begins the next.
  bool Add(const ListRow& row) {
    const size_t bytes = row.framed(view_).size();
    if (page_.rows.size() >= limit_ ||
        (!page_.rows.empty() &&
         page_.bytes + bytes > ListQuery::kMaxPageBytes)) {
      page_.last = false;
      return false;
    }
    page_.rows.push_back(&row);
    page_.bytes += bytes;
    return true;
  }
  Page Take() && { return std::move(page_); }

 private:
  const int view_;
  const size_t limit_;
  Page page_;
};

// In the order of the snapshot; looks at no more rows than it has to.
Page FillByName(const Rows& rows, const std::optional<ListPlace>& place,
                const Filter& filter, const Permit& permit, PageFiller filler) {
  auto row = rows.begin();
  if (place.has_value()) {
    row = std::upper_bound(
        rows.begin(), rows.end(), absl::string_view(place->name()),
        [](absl::string_view name, const auto& r) { return name < r->name(); });
  }
  for (; row != rows.end(); ++row) {
    if (!permit.CanSee((*row)->attributes()) || !filter.Matches(**row)) {
      continue;
    }
    if (!filler.Add(**row)) break;
  }
  return std::move(filler).Take();
}

Page FillByOrder(const Rows& rows, const std::optional<ListPlace>& place,
                 const Filter& filter, const OrderBy& order,
                 const Permit& permit, PageFiller filler) {
  std::vector<std::pair<std::vector<FieldValue>, const ListRow*>> found;
  for (const auto& row : rows) {
    if (!permit.CanSee(row->attributes()) || !filter.Matches(*row)) continue;
    std::vector<FieldValue> values = order.ValuesOf(*row);
    if (place.has_value() && !place->Precedes(order, row->name(), values)) {
      continue;
    }
    found.emplace_back(std::move(values), row.get());
  }
  // Stable: equal rows stay in the order of their names.
  std::stable_sort(found.begin(), found.end(),
                   [&](const auto& a, const auto& b) {
                     return order.Compare(a.first, b.first) < 0;
                   });
  for (const auto& [values, row] : found) {
    if (!filler.Add(*row)) break;
  }
  return std::move(filler).Take();
}

}  // namespace

std::string FrameListElement(const google::protobuf::MessageLite& message) {
  std::string framed;
  AppendField(kElementField, message.SerializeAsString(), framed);
  return framed;
}

grpc::Slice ListSnapshot::AllFramed(int view) const {
  absl::MutexLock lock(&mutex_);
  for (const auto& [made, slice] : framed_) {
    if (made == view) return slice;
  }
  std::string bytes;
  for (const auto& row : rows_) absl::StrAppend(&bytes, row->framed(view));
  framed_.emplace_back(view, ToSlice(bytes));
  return framed_.back().second;
}

absl::StatusOr<grpc::ByteBuffer> ListQuery::Run(
    const ListArguments& arguments, const Permit& permit,
    const ListSnapshot& snapshot) const {
  const Message& request = *arguments.request;
  ASSIGN_OR_RETURN(const Filter filter,
                   Filter::Parse(StringField(request, "filter"), schema_));
  ASSIGN_OR_RETURN(const OrderBy order,
                   OrderBy::Parse(StringField(request, "order_by"), schema_));
  // Only where a token is read or written: it costs a copy of the request.
  const auto binding = [&] {
    return PageTokenBinding(arguments.method,
                            permit.caller().principal.ToString(), request);
  };
  std::optional<ListPlace> place;
  const std::string token = StringField(request, "page_token");
  if (!token.empty()) {
    ASSIGN_OR_RETURN(const std::string payload,
                     sealer_->Open(token, binding()));
    place.emplace("", std::vector<FieldValue>());
    if (!ListPlace::Parse(payload, &*place) ||
        place->size() != order.keys().size()) {
      return Error(absl::StatusCode::kInvalidArgument,
                   reason::kInvalidPageToken, "the page token is damaged")
          .Field("page_token", "is damaged")
          .Build();
    }
  }
  const int64_t asked = IntField(request, "page_size");
  const size_t limit = asked <= 0 ? arguments.max_page_size
                                  : std::min(static_cast<size_t>(asked),
                                             arguments.max_page_size);

  PageFiller filler(arguments.view, limit);
  const Page page = order.is_default()
                        ? FillByName(snapshot.rows(), place, filter, permit,
                                     std::move(filler))
                        : FillByOrder(snapshot.rows(), place, filter, order,
                                      permit, std::move(filler));

  std::vector<grpc::Slice> slices;
  const bool everything =
      order.is_default() && page.rows.size() == snapshot.rows().size();
  if (everything) {
    slices.push_back(snapshot.AllFramed(arguments.view));
  } else {
    std::string bytes;
    bytes.reserve(page.bytes);
    for (const ListRow* row : page.rows) {
      absl::StrAppend(&bytes, row->framed(arguments.view));
    }
    slices.push_back(ToSlice(bytes));
  }
  std::string rest;
  if (!page.last) {
    const ListRow& last = *page.rows.back();
    const ListPlace next(last.name(), order.ValuesOf(last));
    AppendField(kTokenField, sealer_->Seal(next.Serialize(), binding()), rest);
  }
  if (arguments.unreachable_field != 0) {
    for (const std::string& name : arguments.unreachable) {
      AppendField(arguments.unreachable_field, name, rest);
    }
  }
  if (!rest.empty()) slices.push_back(ToSlice(rest));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace innkeeper
