#include "agent/qmp/version.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/qmp/printable_text.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using nlohmann::json;

constexpr size_t kPackageBytes = 128;
constexpr uint64_t kLargestPart = 1000000;

// Stores a member that is a small natural number.
bool ReadPart(const json& qemu, const char* name, int* part) {
  const auto found = qemu.find(name);
  if (found == qemu.end() || !found->is_number_unsigned()) return false;
  const uint64_t value = found->get<uint64_t>();
  if (value > kLargestPart) return false;
  *part = static_cast<int>(value);
  return true;
}

}  // namespace

std::optional<QmpVersion> ParseQmpVersion(const json& value) {
  if (!value.is_object()) return std::nullopt;
  const auto qemu = value.find("qemu");
  if (qemu == value.end() || !qemu->is_object()) return std::nullopt;
  QmpVersion version;
  if (!ReadPart(*qemu, "major", &version.major) ||
      !ReadPart(*qemu, "minor", &version.minor) ||
      !ReadPart(*qemu, "micro", &version.micro)) {
    return std::nullopt;
  }
  const auto package = value.find("package");
  if (package != value.end()) {
    if (!package->is_string()) return std::nullopt;
    version.package =
        PrintableText(package->get_ref<const std::string&>(), kPackageBytes);
  }
  return version;
}

}  // namespace innkeeper
