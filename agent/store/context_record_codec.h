// A named context's record as bytes.
#ifndef INNKEEPER_AGENT_STORE_CONTEXT_RECORD_CODEC_H_
#define INNKEEPER_AGENT_STORE_CONTEXT_RECORD_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/context/context_record.h"

namespace innkeeper {

// `context` with a check sum in front.
std::string SerializeContextRecord(const ContextRecord& context);

// DATA_LOSS if `bytes` are not what SerializeContextRecord wrote, were written
// by a newer version, or hold a context with faults.
absl::StatusOr<ContextRecord> ParseContextRecord(absl::string_view bytes);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_STORE_CONTEXT_RECORD_CODEC_H_
