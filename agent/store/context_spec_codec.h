// The parts of a context as they are stored, in guests and in named contexts.
#ifndef INNKEEPER_AGENT_STORE_CONTEXT_SPEC_CODEC_H_
#define INNKEEPER_AGENT_STORE_CONTEXT_SPEC_CODEC_H_

#include <optional>

#include "agent/context/context_spec.h"

namespace innkeeper {

namespace agent::storage::v1 {
class StoredContextSpec;  // agent_storage.pb.h
}  // namespace agent::storage::v1

// Equal contexts give equal bytes.
void PutContextSpec(const ContextSpec& spec,
                    agent::storage::v1::StoredContextSpec* out);

// Nullopt if `in` holds a value that this version does not know, or has a fault
// of FindContextFaults.
std::optional<ContextSpec> GetContextSpec(
    const agent::storage::v1::StoredContextSpec& in);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_STORE_CONTEXT_SPEC_CODEC_H_
