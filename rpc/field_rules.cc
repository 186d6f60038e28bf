#include "rpc/field_rules.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "auth/principal.h"
#include "base/uuid.h"
#include "rpc/text.h"

namespace innkeeper {
namespace {

using google::protobuf::FieldDescriptor;

constexpr int64_t kMebibyte = int64_t{1} << 20;
constexpr size_t kMaxIdBytes = 63;

bool All(absl::string_view text, bool (*allowed)(unsigned char)) {
  for (const char c : text) {
    if (!allowed(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

bool IsPrintable(absl::string_view text) {
  return All(text, absl::ascii_isprint);
}

bool IsPoolOrVolume(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxIdBytes &&
         absl::ascii_isalnum(static_cast<unsigned char>(text[0])) &&
         All(text, [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
         });
}

bool IsVolumeName(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  return parts.size() == 4 && parts[0] == "pools" && parts[2] == "volumes" &&
         IsPoolOrVolume(parts[1]) && IsPoolOrVolume(parts[3]);
}

bool IsLabelKey(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxIdBytes &&
         absl::ascii_islower(static_cast<unsigned char>(text[0])) &&
         All(text, [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) ||
                  c == '_' || c == '.' || c == '-';
         });
}

bool IsLabelValue(absl::string_view text) {
  return text.size() <= kMaxIdBytes && All(text, [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
         });
}

// host:port, [ipv6]:port. Whether it can be reached shows when it is dialled.
bool IsAddress(absl::string_view text) {
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || colon == 0 || text.size() > 255 ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port == 0 ||
      port > 65535) {
    return false;
  }
  absl::string_view host = text.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) {
    return absl::ConsumeSuffix(&host, "]") && !host.empty() &&
           All(host, [](unsigned char c) {
             return absl::ascii_isxdigit(c) || c == ':' || c == '.';
           });
  }
  return All(host, [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '.';
  });
}

bool IsCollection(absl::string_view text) { return text == "operations"; }

bool IsContextNameText(absl::string_view text) {
  return absl::ConsumePrefix(&text, "contexts/") && IsGuestIdText(text);
}

// A rule applies to the field `field` of the messages whose full name begins
// with `message`, and of every message of ours where that is empty.
struct StringRule {
  absl::string_view message;
  absl::string_view field;
  bool (*matches)(absl::string_view);  // Null: only the length counts.
  size_t max_bytes;
  absl::string_view form;
};

constexpr absl::string_view kGuestForm =
    "must be guests/{guest}, where {guest} is [a-z]([a-z0-9-]{0,61}[a-z0-9])?";
constexpr absl::string_view kContextForm =
    "must be contexts/{context}, where {context} is "
    "[a-z]([a-z0-9-]{0,61}[a-z0-9])?";
constexpr absl::string_view kHostForm =
    "must be hosts/{host}, where {host} is [a-z0-9][a-z0-9.-]{0,62}";
constexpr absl::string_view kVolumeForm =
    "must be pools/{pool}/volumes/{volume}, both of letters, digits, '_', '.' "
    "and '-', beginning with a letter or digit; a path of the host is never "
    "taken";
constexpr absl::string_view kUuidForm =
    "must be a UUID in lower case, such as "
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

// The first that applies counts.
constexpr StringRule kStringRules[] = {
    {"google.longrunning.ListOperationsRequest", "name", IsCollection, 10,
     "must be empty or 'operations'"},
    {"google.longrunning.", "name", IsOperationNameText, 64,
     "must be operations/{uuid}"},
    {"innkeeper.v1.GetHostRequest", "name", IsHostNameText, 70, kHostForm},
    {"innkeeper.v1.CordonHostRequest", "name", IsHostNameText, 70, kHostForm},
    {"innkeeper.v1.UncordonHostRequest", "name", IsHostNameText, 70, kHostForm},
    {"innkeeper.v1.RemoveHostRequest", "name", IsHostNameText, 70, kHostForm},
    {"innkeeper.v1.GetContextRequest", "name", IsContextNameText, 72,
     kContextForm},
    {"innkeeper.v1.DeleteContextRequest", "name", IsContextNameText, 72,
     kContextForm},
    // Names of the host's own things.
    {"innkeeper.v1.ContextSpec.", "name", nullptr, 255, ""},
    {"innkeeper.v1.", "context", IsContextNameText, 72, kContextForm},
    {"innkeeper.v1.", "context_id", IsGuestIdText, 63,
     "must be [a-z]([a-z0-9-]{0,61}[a-z0-9])?"},
    {"innkeeper.v1.", "name", IsGuestNameText, 70, kGuestForm},
    {"innkeeper.v1.", "guest_id", IsGuestIdText, 63,
     "must be [a-z]([a-z0-9-]{0,61}[a-z0-9])?"},
    {"innkeeper.v1.", "host_id", IsHostIdText, 63,
     "must be [a-z0-9][a-z0-9.-]{0,62}"},
    {"innkeeper.v1.", "host", IsHostNameText, 70, kHostForm},
    {"innkeeper.v1.", "owner", IsOwnerText, 70,
     "must be user/{name}, where {name} is [a-z0-9][a-z0-9._-]{0,62}"},
    {"innkeeper.v1.", "request_id", IsUuid, 36, kUuidForm},
    {"innkeeper.v1.", "volume", IsVolumeName, 200, kVolumeForm},
    {"innkeeper.v1.", "kernel", IsVolumeName, 200, kVolumeForm},
    {"innkeeper.v1.", "initrd", IsVolumeName, 200, kVolumeForm},
    {"innkeeper.v1.", "kernel_command_line", IsPrintable, 2000,
     "must be printable ASCII in one line"},
    {"innkeeper.v1.", "address", IsAddress, 255, "must be host:port"},
    {"innkeeper.v1.", "etag", IsPrintable, 128, "must be one that was read"},
    {"innkeeper.v1.", "certificate_request", nullptr, 8192, ""},
    {"innkeeper.", "resume_token", IsPrintable, size_t{96} << 10,
     "must be one that was sent"},
    {"innkeeper.agent.", "epoch", IsPrintable, 64, "must be one that was sent"},
    {"", "page_token", IsPrintable, 8192, "must be one that was sent"},
    {"", "filter", nullptr, 4096, ""},
    {"", "order_by", nullptr, 1024, ""},
};

struct NumberRule {
  absl::string_view field;  // Full name, or the name alone.
  int64_t min;
  int64_t max;
  int64_t multiple;
  absl::string_view form;
};

constexpr NumberRule kNumberRules[] = {
    {"page_size", 0, INT32_MAX, 1, "must not be negative"},
    {"innkeeper.v1.GuestSpec.vcpu_count", 1, 64, 1, "must be 1 to 64"},
    {"innkeeper.v1.GuestSpec.memory_bytes", 16 * kMebibyte,
     kMebibyte* kMebibyte, kMebibyte,
     "must be a multiple of 1 MiB from 16777216 (16 MiB) to 1099511627776 "
     "(1 TiB)"},
    {"after_sequence", 0, INT64_MAX, 1, "must not be negative"},
};

struct DurationRule {
  absl::string_view field;
  int64_t min_seconds;
  int64_t max_seconds;
  absl::string_view form;
};

constexpr DurationRule kDurationRules[] = {
    {"innkeeper.v1.StopGuestRequest.grace_period", 1, 3600,
     "must be 1 s to 1 h"},
    {"innkeeper.v1.CreateEnrolmentTokenRequest.valid_for", 60, 86400,
     "must be 1 min to 24 h"},
    {"google.longrunning.WaitOperationRequest.timeout", 0, 86400,
     "must be 0 to 24 h"},
};

const StringRule* FindRule(const FieldDescriptor* field) {
  for (const StringRule& rule : kStringRules) {
    if (rule.field == field->name() &&
        absl::StartsWith(field->containing_type()->full_name(), rule.message)) {
      return &rule;
    }
  }
  return nullptr;
}

}  // namespace

size_t MaxLength(const FieldDescriptor* field) {
  if (field->type() == FieldDescriptor::TYPE_BYTES) return kMaxBytesField;
  const StringRule* rule = FindRule(field);
  return rule == nullptr ? kMaxStringBytes : rule->max_bytes;
}

int MaxElements(const FieldDescriptor* field) {
  if (field->full_name() == "innkeeper.v1.GuestSpec.disks") return 8;
  if (field->is_map() && absl::EndsWith(field->name(), "labels")) return 32;
  return kMaxElements;
}

std::optional<std::string> CheckString(const FieldDescriptor* field,
                                       absl::string_view value) {
  if (value.size() > MaxLength(field)) {
    return absl::StrCat("must have at most ", MaxLength(field), " bytes, not ",
                        value.size());
  }
  if (field->type() == FieldDescriptor::TYPE_BYTES || value.empty()) {
    return std::nullopt;
  }
  const StringRule* rule = FindRule(field);
  if (rule != nullptr && rule->matches != nullptr) {
    if (rule->matches(value)) return std::nullopt;
    return std::string(rule->form);
  }
  if (!IsUtf8(value)) return "must be UTF-8";
  // PEM has lines.
  if (field->name() == "certificate_request") return std::nullopt;
  for (const char c : value) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return "must not have control characters";
    }
  }
  return std::nullopt;
}

std::optional<std::string> CheckNumber(const FieldDescriptor* field,
                                       int64_t value) {
  for (const NumberRule& rule : kNumberRules) {
    if (rule.field != field->name() && rule.field != field->full_name()) {
      continue;
    }
    if (value < rule.min || value > rule.max || value % rule.multiple != 0) {
      return absl::StrCat(rule.form, ", not ", value);
    }
  }
  return std::nullopt;
}

std::optional<std::string> CheckDuration(const FieldDescriptor* field,
                                         int64_t seconds, int32_t nanos) {
  constexpr int64_t kMaxSeconds = 315576000000;  // As protobuf defines it.
  if (seconds < -kMaxSeconds || seconds > kMaxSeconds || nanos < -999999999 ||
      nanos > 999999999 || (seconds > 0 && nanos < 0) ||
      (seconds < 0 && nanos > 0)) {
    return "is not a valid duration";
  }
  for (const DurationRule& rule : kDurationRules) {
    if (rule.field != field->full_name()) continue;
    const bool above = seconds > rule.max_seconds ||
                       (seconds == rule.max_seconds && nanos > 0);
    if (seconds < rule.min_seconds || nanos < 0 || above) {
      return std::string(rule.form);
    }
  }
  return std::nullopt;
}

std::optional<std::string> CheckMapEntry(const FieldDescriptor* field,
                                         absl::string_view key,
                                         absl::string_view value) {
  if (!absl::EndsWith(field->name(), "labels")) {
    if (key.size() > kMaxStringBytes || value.size() > kMaxStringBytes) {
      return absl::StrCat("must have at most ", kMaxStringBytes, " bytes");
    }
    return std::nullopt;
  }
  if (!IsLabelKey(key)) {
    return "must have keys of the form [a-z][a-z0-9_.-]{0,62}";
  }
  if (!IsLabelValue(value)) {
    return "must have values of the form [A-Za-z0-9_.-]{0,63}";
  }
  return std::nullopt;
}

bool IsGuestIdText(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxIdBytes &&
         absl::ascii_islower(static_cast<unsigned char>(text.front())) &&
         text.back() != '-' && All(text, [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
         });
}

bool IsHostIdText(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxIdBytes && text.front() != '-' &&
         text.front() != '.' && All(text, [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) ||
                  c == '-' || c == '.';
         });
}

bool IsGuestNameText(absl::string_view text) {
  return absl::ConsumePrefix(&text, "guests/") && IsGuestIdText(text);
}

bool IsHostNameText(absl::string_view text) {
  return absl::ConsumePrefix(&text, "hosts/") && IsHostIdText(text);
}

bool IsOperationNameText(absl::string_view text) {
  return absl::ConsumePrefix(&text, "operations/") && IsUuid(text);
}

bool IsOwnerText(absl::string_view text) {
  return absl::ConsumePrefix(&text, "user/") && IsPrincipalName(text);
}

}  // namespace innkeeper
