#include "base/error.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kReason = "innkeeper/reason";
constexpr absl::string_view kRetry = "innkeeper/retry";
constexpr absl::string_view kMetadata = "innkeeper/metadata/";
constexpr absl::string_view kField = "innkeeper/field/";
constexpr absl::string_view kPrecondition = "innkeeper/precondition/";

absl::StatusCode CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
    case ESRCH:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case EAGAIN:
    case EINTR:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ETIMEDOUT:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

Error::Error(absl::StatusCode code, absl::string_view reason,
             absl::string_view message)
    : status_(code, message) {
  if (!reason.empty()) status_.SetPayload(kReason, absl::Cord(reason));
}

Error& Error::With(absl::string_view key, absl::string_view value) {
  status_.SetPayload(absl::StrCat(kMetadata, key), absl::Cord(value));
  return *this;
}

Error& Error::Field(absl::string_view field, absl::string_view description) {
  // Numbered, so that reading them back keeps their order.
  status_.SetPayload(
      absl::StrCat(kField, absl::StrFormat("%06d", fields_++)),
      absl::Cord(absl::StrCat(field, absl::string_view("\0", 1), description)));
  return *this;
}

Error& Error::Precondition(absl::string_view type, absl::string_view subject,
                           absl::string_view description) {
  constexpr absl::string_view kNul("\0", 1);
  status_.SetPayload(
      absl::StrCat(kPrecondition, absl::StrFormat("%06d", preconditions_++)),
      absl::Cord(absl::StrCat(type, kNul, subject, kNul, description)));
  return *this;
}

Error& Error::RetryAfter(absl::Duration delay) {
  status_.SetPayload(
      kRetry, absl::Cord(absl::StrCat(absl::ToInt64Milliseconds(delay))));
  return *this;
}

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  // Payloads come in no order; the numbers in their names give it back.
  std::map<std::string, std::string> fields;
  std::map<std::string, std::string> preconditions;
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& value) {
    std::string text(value);
    if (url == kReason) {
      details.reason = std::move(text);
    } else if (url == kRetry) {
      details.retry_after = absl::Milliseconds(std::stoll(text));
    } else if (absl::ConsumePrefix(&url, kMetadata)) {
      details.metadata[std::string(url)] = std::move(text);
    } else if (absl::ConsumePrefix(&url, kField)) {
      fields[std::string(url)] = std::move(text);
    } else if (absl::ConsumePrefix(&url, kPrecondition)) {
      preconditions[std::string(url)] = std::move(text);
    }
  });
  for (const auto& [unused, text] : fields) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(text, absl::MaxSplits('\0', 1));
    details.fields.push_back({parts.first, parts.second});
  }
  for (const auto& [unused, text] : preconditions) {
    const std::vector<std::string> parts =
        absl::StrSplit(text, absl::MaxSplits('\0', 2));
    details.preconditions.push_back({parts[0], parts[1], parts[2]});
  }
  return details;
}

absl::Status MakeStatus(absl::StatusCode code, absl::string_view message,
                        const ErrorDetails& details) {
  Error error(code, details.reason, message);
  for (const auto& [key, value] : details.metadata) error.With(key, value);
  for (const FieldViolation& field : details.fields) {
    error.Field(field.field, field.description);
  }
  for (const PreconditionViolation& fact : details.preconditions) {
    error.Precondition(fact.type, fact.subject, fact.description);
  }
  if (details.retry_after.has_value()) error.RetryAfter(*details.retry_after);
  return error;
}

absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(),
                         absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& value) {
    annotated.SetPayload(url, value);
  });
  return annotated;
}

absl::Status ErrnoError(int error, absl::string_view message) {
  char buffer[128];
  // The GNU form, which returns the text and may leave the buffer alone.
  const char* text = strerror_r(error, buffer, sizeof(buffer));
  return Error(CodeOfErrno(error), reason::kSystemError,
               absl::StrCat(message, ": ", text))
      .With("errno", absl::StrCat(error));
}

}  // namespace innkeeper
