// What a request was, in 32 bytes.
#ifndef INNKEEPER_CATALOG_REQUEST_DIGEST_H_
#define INNKEEPER_CATALOG_REQUEST_DIGEST_H_

#include <string>

#include "google/protobuf/message.h"

namespace innkeeper {

// SHA-256 of `request` in deterministic form: equal for equal requests in this
// version of protobuf, whatever the order of map entries on the wire.
std::string RequestDigest(const google::protobuf::Message& request);

}  // namespace innkeeper

#endif  // INNKEEPER_CATALOG_REQUEST_DIGEST_H_
