// Checks the shape of requests by their descriptors, so that no handler has to.
#ifndef INNKEEPER_RPC_VALIDATOR_H_
#define INNKEEPER_RPC_VALIDATOR_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace innkeeper {

// Immutable, thread-safe. What it enforces on every request:
//   - fields marked REQUIRED are there; OUTPUT_ONLY ones are not looked at;
//   - resource names, guest ids, owners, labels, request ids have their form;
//   - page_size is not negative; durations and timestamps are in range;
//   - enums have a value that this version knows;
//   - strings are UTF-8 without control characters and at most 4 KiB, unless
//     the field has a limit of its own; bytes at most 64 KiB;
//   - repeated fields and maps have at most 1,024 elements;
//   - messages are at most 32 deep.
// What depends on the state of the world is the handler's to check.
class Validator {
 public:
  enum class Presence { kRequired, kOptional };

  // OK, or INVALID_ARGUMENT (INVALID_REQUEST) naming every fault at once, each
  // as a field violation; after 100 of them it stops. With kOptional REQUIRED
  // fields may be absent.
  absl::Status Validate(const google::protobuf::Message& request,
                        Presence presence = Presence::kRequired) const;

  // Whether `text` has the form of a name that calls can act on: a guest, host,
  // operation or owner.
  static bool IsResourceName(absl::string_view text);
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_VALIDATOR_H_
