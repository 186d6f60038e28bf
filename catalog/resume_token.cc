#include "catalog/resume_token.h"

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "catalog/position.h"
#include "rpc/resume_token.h"

namespace innkeeper {

std::string EncodePositions(const Positions& positions) {
  std::vector<ResumePoint> points;
  for (const auto& [host, position] : positions) {
    // A log of which nothing was read yet is read from its beginning, which is
    // what a token without it means.
    if (position.epoch.empty()) continue;
    points.push_back({host, position.epoch, position.sequence});
  }
  const absl::StatusOr<std::string> token = EncodeResumeToken(points);
  if (token.ok()) return *token;
  LogError("resume_token.encode", {{"error", token.status().message()}});
  return "";
}

absl::StatusOr<Positions> DecodePositions(absl::string_view token) {
  ASSIGN_OR_RETURN(const std::vector<ResumePoint> points,
                   DecodeResumeToken(token));
  Positions positions;
  for (const ResumePoint& point : points) {
    positions[point.host] = {point.epoch, point.sequence};
  }
  return positions;
}

}  // namespace innkeeper
