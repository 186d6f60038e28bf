// Feeds arbitrary bytes to every parser that the root process has, and checks
// that what is accepted is encoded to the same bytes again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/guest_facts_codec.h"
#include "agent/launcher/journal_entry.h"
#include "agent/launcher/protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace innkeeper;  // NOLINT(google-build-using-namespace)
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Message> message = DecodeMessage(bytes);
  if (message.ok() && EncodeMessage(message->type, message->request_id,
                                    message->payload) != bytes) {
    abort();
  }
  const absl::string_view payload = message.ok() ? message->payload : bytes;
  const absl::StatusOr<LaunchPlan> plan = DecodePlan(payload);
  if (plan.ok()) {
    if (EncodePlan(*plan) != payload) abort();
    if (ValidatePlan(*plan).ok() && !IsGuestId(plan->guest)) abort();
  }
  const absl::StatusOr<ImageRequest> image = DecodeImageRequest(payload);
  if (image.ok() && EncodeImageRequest(*image) != payload) abort();
  const absl::StatusOr<std::string> guest = DecodeGuestRequest(payload);
  if (guest.ok() && EncodeGuestRequest(*guest) != payload) abort();
  (void)DecodeInspectRequest(payload);
  const absl::StatusOr<JournalEntry> entry = DecodeJournalEntry(payload);
  if (entry.ok() && EncodeJournalEntry(*entry) != payload) abort();
  absl::string_view body = payload;
  if (DecodeReply(body).ok()) {
    (void)DecodeHelloReply(body);
    (void)DecodeVolumesReply(body);
    (void)DecodeLaunchReply(body);
    (void)DecodeListReply(body);
    (void)DecodeInspectReply(body);
    (void)DecodeGuestFacts(body);
  }
  return 0;
}
