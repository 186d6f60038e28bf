#include "catalog/guest_list.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "catalog/guest_fields.h"
#include "catalog/request_digest.h"
#include "catalog/resume_token.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "rpc/filter.h"
#include "rpc/order_by.h"

namespace innkeeper {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

constexpr int kMaxBasicPage = 10000;
constexpr int kMaxFullPage = 1000;
constexpr size_t kMaxPageBytes = size_t{3} << 20;
constexpr size_t kMacBytes = 32;

// Writes one length-delimited field.
void AppendField(int field, absl::string_view value, std::string* bytes) {
  uint8_t header[16];
  uint8_t* end = CodedOutputStream::WriteTagToArray(
      WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED),
      header);
  end = CodedOutputStream::WriteVarint32ToArray(
      static_cast<uint32_t>(value.size()), end);
  bytes->append(reinterpret_cast<const char*>(header),
                static_cast<size_t>(end - header));
  bytes->append(value.data(), value.size());
}

std::string Mac(const std::string& key, absl::string_view text) {
  std::string mac(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const uint8_t*>(text.data()), text.size(),
       reinterpret_cast<uint8_t*>(mac.data()), &size);
  mac.resize(size);
  return mac;
}

// What a page token is bound to: the caller and every argument but the place
// and the size of the page.
std::string Binding(const Permit& permit, v1::ListGuestsRequest request) {
  request.clear_page_token();
  request.clear_page_size();
  return absl::StrCat(permit.caller().principal.ToString(), "\n",
                      RequestDigest(request));
}

// A list ordered otherwise than by name goes on behind a number of rows; one
// ordered by name behind a name, so that it is stable under changes.
std::string SealToken(const std::string& key, absl::string_view binding,
                      absl::string_view place) {
  return absl::WebSafeBase64Escape(
      absl::StrCat(Mac(key, absl::StrCat(binding, "\n", place)), place));
}

absl::StatusOr<std::string> OpenToken(const std::string& key,
                                      absl::string_view binding,
                                      absl::string_view token) {
  std::string bytes;
  if (token.size() <= 1024 && absl::WebSafeBase64Unescape(token, &bytes) &&
      bytes.size() > kMacBytes) {
    const std::string place = bytes.substr(kMacBytes);
    const std::string mac = Mac(key, absl::StrCat(binding, "\n", place));
    if (CRYPTO_memcmp(mac.data(), bytes.data(), kMacBytes) == 0) return place;
  }
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidPageToken,
               "the page token is not from this list with these arguments; "
               "start again without one")
      .Field("page_token", "must be a next_page_token of the same list")
      .Build();
}

struct SortedRow {
  GuestRowPtr row;
  std::vector<FieldValue> values;
};

}  // namespace

GuestList::GuestList(GuestTable* table, std::string token_key)
    : table_(table), token_key_(std::move(token_key)) {}

absl::StatusOr<grpc::ByteBuffer> GuestList::List(
    const Permit& permit, const v1::ListGuestsRequest& request) const {
  ASSIGN_OR_RETURN(const Filter filter,
                   Filter::Parse(request.filter(), GuestFieldSchema()));
  ASSIGN_OR_RETURN(const OrderBy order,
                   OrderBy::Parse(request.order_by(), GuestFieldSchema()));
  const bool full = request.view() == v1::FULL;
  const int limit = full ? kMaxFullPage : kMaxBasicPage;
  const int size =
      request.page_size() <= 0 ? limit : std::min(request.page_size(), limit);
  const std::string binding = Binding(permit, request);
  std::string place;
  if (!request.page_token().empty()) {
    ASSIGN_OR_RETURN(place,
                     OpenToken(token_key_, binding, request.page_token()));
  }

  const std::shared_ptr<const GuestSnapshot> snapshot = table_->Snapshot();
  std::vector<SortedRow> rows;
  for (const GuestRowPtr& row : snapshot->rows) {
    if (order.is_default() && !place.empty() && row->guest.name() <= place) {
      continue;
    }
    if (!permit.CanSee(row->attributes)) continue;
    if (!filter.matches_all() && !filter.Matches(GuestFields(row->guest))) {
      continue;
    }
    rows.push_back({row, {}});
  }
  size_t skip = 0;
  if (!order.is_default()) {
    for (SortedRow& row : rows) {
      row.values = order.ValuesOf(GuestFields(row.row->guest));
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [&](const SortedRow& a, const SortedRow& b) {
                       return order.Compare(a.values, b.values) < 0;
                     });
    if (!place.empty()) skip = static_cast<size_t>(std::stoull(place));
  }

  std::string bytes;
  bytes.reserve(
      std::min(kMaxPageBytes + (size_t{64} << 10), rows.size() * size_t{200}));
  size_t next = std::min(skip, rows.size());
  for (int sent = 0;
       next < rows.size() && sent < size && bytes.size() < kMaxPageBytes;
       ++next, ++sent) {
    const GuestRow& row = *rows[next].row;
    AppendField(v1::ListGuestsResponse::kGuestsFieldNumber,
                full ? row.full_bytes : row.basic_bytes, &bytes);
  }
  if (next < rows.size()) {
    const std::string last = order.is_default()
                                 ? rows[next - 1].row->guest.name()
                                 : absl::StrCat(next);
    AppendField(v1::ListGuestsResponse::kNextPageTokenFieldNumber,
                SealToken(token_key_, binding, last), &bytes);
  }
  for (const std::string& host : snapshot->unreachable) {
    AppendField(v1::ListGuestsResponse::kUnreachableFieldNumber, host, &bytes);
  }
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

absl::StatusOr<GuestWatch> MakeGuestWatch(
    const Permit& permit, const v1::WatchGuestsRequest& request,
    std::shared_ptr<StreamWriter<v1::WatchGuestsResponse>> stream) {
  ASSIGN_OR_RETURN(Filter filter,
                   Filter::Parse(request.filter(), GuestFieldSchema()));
  GuestWatch watch;
  watch.full = request.view() == v1::FULL;
  if (!request.resume_token().empty()) {
    ASSIGN_OR_RETURN(watch.resume, DecodePositions(request.resume_token()));
  }
  watch.wants = [permit, filter = std::move(filter)](const GuestRow& row) {
    return permit.CanSee(row.attributes) &&
           filter.Matches(GuestFields(row.guest));
  };
  watch.may_see = [permit](const v1::Event& event) {
    ResourceAttributes attributes;
    attributes.name = event.guest();
    attributes.owner = event.owner();
    attributes.host = event.host();
    return permit.CanSee(attributes);
  };
  watch.stream = std::move(stream);
  return watch;
}

absl::StatusOr<EventWatch> MakeEventWatch(
    const Permit& permit, const v1::WatchEventsRequest& request,
    std::shared_ptr<StreamWriter<v1::WatchEventsResponse>> stream) {
  ASSIGN_OR_RETURN(Filter filter,
                   Filter::Parse(request.filter(), EventFieldSchema()));
  EventWatch watch;
  if (!request.resume_token().empty()) {
    if (request.from_oldest()) {
      return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                   "a resume token and from_oldest exclude each other")
          .Field("from_oldest", "must not be set with a resume_token")
          .Build();
    }
    ASSIGN_OR_RETURN(watch.resume, DecodePositions(request.resume_token()));
  }
  watch.from_oldest = request.from_oldest();
  watch.until_now = request.until_now();
  watch.wants = [permit, filter = std::move(filter)](const v1::Event& event) {
    ResourceAttributes attributes;
    attributes.name = event.guest().empty() ? event.host() : event.guest();
    attributes.owner = event.owner();
    attributes.host = event.host();
    return permit.CanSee(attributes) && filter.Matches(EventFields(event));
  };
  watch.stream = std::move(stream);
  return watch;
}

}  // namespace innkeeper
