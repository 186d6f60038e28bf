// Lists from immutable snapshots, answered with bytes that were made before.
#ifndef INNKEEPER_RPC_LIST_QUERY_H_
#define INNKEEPER_RPC_LIST_QUERY_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "auth/permit.h"
#include "auth/resource.h"
#include "google/protobuf/message.h"
#include "google/protobuf/message_lite.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "rpc/field_schema.h"
#include "rpc/page_token.h"

namespace innkeeper {

// One element of a list. Immutable, thread-safe.
class ListRow : public FieldSource {
 public:
  // What rows are sorted by, each once: "guests/web".
  virtual absl::string_view name() const = 0;
  // What rights depend on.
  virtual const ResourceAttributes& attributes() const = 0;
  // The element as it stands in a response (FrameListElement), in `view`.
  virtual absl::string_view framed(int view) const = 0;
};

// `message` as an element of the repeated field 1 of a response: tag, length,
// bytes.
std::string FrameListElement(const google::protobuf::MessageLite& message);

// Rows at one time. Immutable but for a cache of bytes; thread-safe.
class ListSnapshot {
 public:
  // `rows` are sorted by name, without doubles.
  explicit ListSnapshot(std::vector<std::shared_ptr<const ListRow>> rows)
      : rows_(std::move(rows)) {}

  const std::vector<std::shared_ptr<const ListRow>>& rows() const {
    return rows_;
  }
  // All rows in `view`, one after the other. Made once, then shared.
  grpc::Slice AllFramed(int view) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::vector<std::shared_ptr<const ListRow>> rows_;
  mutable absl::Mutex mutex_;
  mutable std::vector<std::pair<int, grpc::Slice>> framed_
      ABSL_GUARDED_BY(mutex_);
};

// What a List method asks for. The request's page_size, page_token, filter and
// order_by are read by these names, as far as it has them.
struct ListArguments {
  const google::protobuf::Message* request = nullptr;
  std::string method;  // CallInfo::method
  int view = 0;
  // The most elements of a page, and what page_size 0 means.
  size_t max_page_size = 1000;
  // For the response's field `unreachable_field`; 0 if it has none.
  std::vector<std::string> unreachable;
  int unreachable_field = 0;
};

// Immutable, thread-safe.
class ListQuery {
 public:
  // A page ends before it is larger than this, unless one element alone is.
  static constexpr size_t kMaxPageBytes = size_t{3} << 20;

  // `sealer` must outlive it.
  ListQuery(FieldSchema schema, const PageTokenSealer* sealer)
      : schema_(std::move(schema)), sealer_(sealer) {}

  // The response: elements (field 1) that the permit covers and the filter
  // matches, in order, next_page_token (field 2) unless it is the last page,
  // and what cannot be reached. A token is the place after an element, so that
  // pages neither repeat nor omit what did not change meanwhile.
  // INVALID_ARGUMENT: INVALID_FILTER, INVALID_ORDER_BY, INVALID_PAGE_TOKEN.
  absl::StatusOr<grpc::ByteBuffer> Run(const ListArguments& arguments,
                                       const Permit& permit,
                                       const ListSnapshot& snapshot) const;

  const FieldSchema& schema() const { return schema_; }

 private:
  const FieldSchema schema_;
  const PageTokenSealer* const sealer_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_LIST_QUERY_H_
