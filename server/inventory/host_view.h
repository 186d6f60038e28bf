// A host in the words of placement.
#ifndef INNKEEPER_SERVER_INVENTORY_HOST_VIEW_H_
#define INNKEEPER_SERVER_INVENTORY_HOST_VIEW_H_

#include <string>

#include "absl/strings/string_view.h"
#include "innkeeper/v1/guests.pb.h"
#include "innkeeper/v1/hosts.pb.h"
#include "server/placement/capacity.h"
#include "server/placement/placer.h"

namespace innkeeper {

// "h1" of "hosts/h1".
std::string HostId(absl::string_view name);

HostView ToHostView(const v1::Host& host);
Capacity ToCapacity(const v1::GuestSpec& spec);
// "pools/main/volumes/root" as "main/root".
std::string ToVolume(absl::string_view name);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_INVENTORY_HOST_VIEW_H_
