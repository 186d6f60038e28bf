// Network interfaces of guests <-> the API's messages.
#ifndef INNKEEPER_AGENT_SERVICE_CONVERT_NETWORK_H_
#define INNKEEPER_AGENT_SERVICE_CONVERT_NETWORK_H_

#include <string>
#include <vector>

#include "agent/guest/guest_record.h"
#include "agent/guest/network_spec.h"
#include "agent/lease/lease_file.h"
#include "base/error.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {

v1::GuestSpec::NetworkInterface ToNetworkInterface(const NetworkSpec& network);

// The interface at `field`; addresses come out in the form that NetworkSpec
// wants. What it cannot even hold goes into `faults`.
NetworkSpec ParseNetworkInterface(
    const v1::GuestSpec::NetworkInterface& message, const std::string& field,
    std::vector<FieldViolation>* faults);

// Sets the interfaces of `guest`, which was made of `record`, and its
// addresses: those declared, or else those that `leases` have for it. None for
// a guest without a process.
void SetInterfaces(const GuestRecord& record, const LeasedAddresses& leases,
                   v1::Guest* guest);

// Looks the addresses of `guest`'s interfaces up anew. Whether any of them
// changed.
bool UpdateLeasedAddresses(const LeasedAddresses& leases, v1::Guest* guest);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_CONVERT_NETWORK_H_
