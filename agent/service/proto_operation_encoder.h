// The supervisor's operations in the API's bytes.
#ifndef INNKEEPER_AGENT_SERVICE_PROTO_OPERATION_ENCODER_H_
#define INNKEEPER_AGENT_SERVICE_PROTO_OPERATION_ENCODER_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "agent/guest/guest_record.h"
#include "agent/supervisor/operation_encoder.h"

namespace innkeeper {

// Thread-safe; immutable. `host` is "hosts/h1".
class ProtoOperationEncoder final : public OperationEncoder {
 public:
  explicit ProtoOperationEncoder(std::string host) : host_(std::move(host)) {}

  std::string Metadata(const OperationFacts& facts) const override;
  OperationFacts ParseMetadata(const std::string& bytes) const override;
  std::string Result(const GuestRecord& guest) const override;
  std::string EmptyResult() const override;
  std::string Error(const absl::Status& status) const override;

 private:
  const std::string host_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_PROTO_OPERATION_ENCODER_H_
