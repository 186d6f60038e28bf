// A host in a list.
#ifndef INNKEEPER_SERVER_SERVICE_HOST_ROW_H_
#define INNKEEPER_SERVER_SERVICE_HOST_ROW_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "auth/resource.h"
#include "innkeeper/v1/hosts.pb.h"
#include "rpc/list_query.h"

namespace innkeeper {

// As ListHostsRequest.filter documents.
FieldSchema HostFieldSchema();

class HostRow final : public ListRow {
 public:
  explicit HostRow(v1::Host host);

  absl::string_view name() const override { return host_.name(); }
  const ResourceAttributes& attributes() const override { return attributes_; }
  absl::string_view framed(int view) const override { return framed_; }
  FieldValue Get(absl::string_view path) const override;

 private:
  const v1::Host host_;
  const ResourceAttributes attributes_;
  const std::string framed_;
};

// By name, as Inventory::Hosts gives them.
std::vector<std::shared_ptr<const ListRow>> MakeHostRows(
    std::vector<v1::Host> hosts);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_HOST_ROW_H_
