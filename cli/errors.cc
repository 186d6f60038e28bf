#include "cli/errors.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "cli/output/printable.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

// What to do about an error that does not say so itself. Empty: nothing known.
std::string WayOut(const absl::Status& status, const ErrorDetails& details) {
  if (absl::StrContains(status.message(), "try: ")) return "";
  if (!details.reason.empty()) {
    return absl::StrCat("inn explain ", details.reason);
  }
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnauthenticated:
      return "inn doctor";
    default:
      return "";
  }
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  return FromGrpcStatus(status);
}

absl::Status FromOperationError(const google::rpc::Status& status) {
  return FromRpcStatus(status);
}

std::string ErrorText(absl::string_view what, const absl::Status& status) {
  const ErrorDetails details = DetailsOf(status);
  absl::string_view message = status.message();
  if (message.empty()) message = "the service gave no message";
  std::string text = "inn: ";
  if (!what.empty()) absl::StrAppend(&text, Printable(what), ": ");
  absl::StrAppend(&text, Printable(message), "\n");
  for (const FieldViolation& fault : details.fields) {
    absl::StrAppend(&text, "  ", Printable(fault.field), ": ",
                    Printable(fault.description), "\n");
  }
  for (const PreconditionViolation& fact : details.preconditions) {
    absl::StrAppend(&text, "  ", Printable(fact.subject), ": ",
                    Printable(fact.description), " (", Printable(fact.type),
                    ")\n");
  }
  const std::string way_out = WayOut(status, details);
  if (!details.reason.empty()) {
    absl::StrAppend(&text, "reason: ", Printable(details.reason), "\n");
  }
  if (!way_out.empty()) {
    absl::StrAppend(&text, "try: ", Printable(way_out), "\n");
  }
  return text;
}

}  // namespace innkeeper
