// Feeds a hostile monitor's bytes, in chunks, to the QMP decoder.
//
// The first byte of an input says how the rest is cut. Whole and cut input must
// give the same messages and the same verdict, and nothing beyond the limits.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/qmp/codec.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

struct Outcome {
  std::vector<nlohmann::json> messages;
  bool failed = false;
};

Outcome Decode(absl::string_view stream, size_t chunk) {
  Outcome outcome;
  QmpDecoder decoder;
  while (!stream.empty()) {
    decoder.Append(stream.substr(0, chunk));
    stream.remove_prefix(chunk < stream.size() ? chunk : stream.size());
    while (true) {
      absl::StatusOr<std::optional<nlohmann::json>> next = decoder.Next();
      if (!next.ok()) {
        outcome.failed = true;
        return outcome;
      }
      if (!next->has_value()) break;
      if (!(*next)->is_object()) abort();
      outcome.messages.push_back(**std::move(next));
    }
    if (decoder.buffered_bytes() > kMaxQmpMessageBytes) abort();
  }
  return outcome;
}

}  // namespace
}  // namespace innkeeper

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t chunk = size_t{data[0]} + 1;
  const absl::string_view stream(reinterpret_cast<const char*>(data) + 1,
                                 size - 1);
  const innkeeper::Outcome whole = innkeeper::Decode(stream, size);
  const innkeeper::Outcome cut = innkeeper::Decode(stream, chunk);
  if (whole.failed != cut.failed || whole.messages != cut.messages) abort();
  for (const nlohmann::json& message : whole.messages) {
    // Whatever was taken can be sent on.
    if (!innkeeper::EncodeQmpCommand("x", message, 1).ok()) abort();
  }
  return 0;
}
