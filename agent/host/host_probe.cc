#include "agent/host/host_probe.h"

#include <sys/stat.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxCacheBytes = size_t{256} << 10;

// The binary may be replaced while the host runs.
std::string KeyOf(const std::string& binary, const std::string& boot_id) {
  struct stat info = {};
  stat(binary.c_str(), &info);
  return absl::StrCat(boot_id, " ", binary, " ", info.st_dev, ":", info.st_ino,
                      ":", info.st_size, ":", info.st_mtim.tv_sec, ".",
                      info.st_mtim.tv_nsec);
}

}  // namespace

std::string FormatHostProbe(absl::string_view key, const HostProbe& probe) {
  const Json json = {{"key", std::string(key)},
                     {"version", probe.qemu.version},
                     {"machine_types", probe.qemu.machine_types},
                     {"kvm", probe.kvm},
                     {"kvm_reason", probe.kvm_reason}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool ParseHostProbe(absl::string_view bytes, absl::string_view key,
                    HostProbe* probe) {
  const Json json = Json::parse(bytes.begin(), bytes.end(), nullptr,
                                /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("key", Json()) != std::string(key) ||
      !json.value("version", Json()).is_string() ||
      !json.value("kvm", Json()).is_boolean() ||
      !json.value("kvm_reason", Json()).is_string() ||
      !json.value("machine_types", Json()).is_array()) {
    return false;
  }
  HostProbe found;
  found.qemu.version = json["version"].get<std::string>();
  found.kvm = json["kvm"].get<bool>();
  found.kvm_reason = json["kvm_reason"].get<std::string>();
  for (const Json& type : json["machine_types"]) {
    if (!type.is_string()) return false;
    found.qemu.machine_types.push_back(type.get<std::string>());
  }
  *probe = std::move(found);
  return true;
}

absl::StatusOr<HostProbe> ProbeHost(const std::string& qemu_binary,
                                    const std::string& boot_id,
                                    const std::string& cache_path,
                                    ProbeRunner* runner) {
  const std::string key = KeyOf(qemu_binary, boot_id);
  HostProbe probe;
  const absl::StatusOr<std::string> cached =
      ReadFile(cache_path, kMaxCacheBytes);
  if (cached.ok() && ParseHostProbe(*cached, key, &probe)) return probe;

  ASSIGN_OR_RETURN(probe.qemu, ProbeQemu(qemu_binary));
  AccelerationProbe acceleration(qemu_binary, runner);
  absl::Notification done;
  acceleration.Probe([&](absl::StatusOr<AccelerationReport> report) {
    probe.kvm = report.ok() && report->kvm;
    probe.kvm_reason =
        report.ok() ? report->reason : std::string(report.status().message());
    done.Notify();
  });
  done.WaitForNotification();
  LogInfo("host.probed", {{"qemu", probe.qemu.version},
                          {"kvm", probe.kvm ? "yes" : "no"},
                          {"reason", probe.kvm_reason}});
  const absl::Status written =
      WriteFileAtomically(cache_path, FormatHostProbe(key, probe), 0600);
  // It is found out again at the next start.
  if (!written.ok()) {
    LogWarning("host.probe_cache", {{"error", written.message()}});
  }
  return probe;
}

}  // namespace innkeeper
