// Operations as plain text, for tests of the domain.
#ifndef INNKEEPER_AGENT_SUPERVISOR_TESTING_TEXT_OPERATION_ENCODER_H_
#define INNKEEPER_AGENT_SUPERVISOR_TESTING_TEXT_OPERATION_ENCODER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "agent/supervisor/operation_encoder.h"

namespace innkeeper {

// Thread-safe. Times are not kept.
class TextOperationEncoder final : public OperationEncoder {
 public:
  std::string Metadata(const OperationFacts& facts) const override {
    return absl::StrJoin(
        {facts.verb, facts.guest, facts.guest_uid, facts.caller, facts.step},
        "|");
  }
  OperationFacts ParseMetadata(const std::string& bytes) const override {
    const std::vector<std::string> parts = absl::StrSplit(bytes, '|');
    OperationFacts facts;
    if (parts.size() != 5) return facts;
    facts.verb = parts[0];
    facts.guest = parts[1];
    facts.guest_uid = parts[2];
    facts.caller = parts[3];
    facts.step = parts[4];
    return facts;
  }
  std::string Result(const GuestRecord& guest) const override {
    return guest.id;
  }
  std::string EmptyResult() const override { return "{}"; }
  std::string Error(const absl::Status& status) const override {
    return std::string(status.message());
  }
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SUPERVISOR_TESTING_TEXT_OPERATION_ENCODER_H_
