#include "cli/output/guest_view.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/name.h"
#include "cli/output/context_view.h"
#include "cli/output/fields.h"
#include "cli/output/table.h"
#include "cli/output/time_text.h"
#include "cli/value.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

std::string MachineText(const v1::Guest& guest) {
  if (!guest.machine_type().empty()) return guest.machine_type();
  return guest.spec().machine() == v1::GuestSpec::MICROVM ? "microvm" : "q35";
}

std::string DiskText(const v1::GuestSpec::Disk& disk) {
  std::string text = absl::StrCat(
      disk.volume(), " ", v1::GuestSpec::Disk::Format_Name(disk.format()), " ",
      v1::GuestSpec::Disk::Mode_Name(disk.mode()));
  if (disk.device() == v1::GuestSpec::Disk::CDROM) {
    absl::StrAppend(&text, " CDROM");
  }
  for (const v1::GuestSpec::Disk::Layer& layer : disk.backing()) {
    absl::StrAppend(&text, ", over ", layer.volume(), " ",
                    v1::GuestSpec::Disk::Format_Name(layer.format()));
  }
  return text;
}

std::string ExitText(const v1::Guest::Exit& exit) {
  std::string text = exit.has_signal() ? absl::StrCat("signal ", exit.signal())
                                       : absl::StrCat("status ", exit.status());
  if (exit.has_time()) absl::StrAppend(&text, " at ", TimeText(exit.time()));
  return text;
}

std::string ProcessText(const v1::Guest::Process& process) {
  return absl::StrCat("pid ", process.pid(), ", uid ", process.unix_uid(),
                      ", gid ", process.unix_gid());
}

std::string NetworkText(const v1::GuestSpec::NetworkInterface& network) {
  std::string text = network.network();
  if (network.model() == v1::GuestSpec::NetworkInterface::E1000E) {
    absl::StrAppend(&text, " E1000E");
  }
  if (network.queue_count() > 1) {
    absl::StrAppend(&text, ", ", network.queue_count(), " queues");
  }
  return text;
}

std::string InterfaceText(const v1::Guest::Interface& interface) {
  std::string text =
      absl::StrCat(interface.network(), " ", interface.mac_address());
  if (!interface.host_device().empty()) {
    absl::StrAppend(&text, " by ", interface.host_device());
  }
  if (interface.addresses().empty()) {
    return absl::StrCat(text, ", no address known");
  }
  return absl::StrCat(text, ": ", absl::StrJoin(interface.addresses(), ", "),
                      " (", interface.address_source(), ")");
}

Colour ColourOf(const v1::Guest& guest) {
  if (guest.stale() || guest.unresponsive()) return Colour::kWarning;
  switch (guest.state()) {
    case v1::Guest::RUNNING:
      return Colour::kGood;
    case v1::Guest::FAILED:
      return Colour::kBad;
    case v1::Guest::STARTING:
    case v1::Guest::STOPPING:
    case v1::Guest::PAUSED:
      return Colour::kWarning;
    default:
      return Colour::kNone;
  }
}

}  // namespace

Table GuestTable(bool wide, bool coloured) {
  std::vector<std::string> header = {"NAME",  "OWNER",  "HOST", "STATE",
                                     "VCPUS", "MEMORY", "AGE"};
  if (wide) {
    header.insert(header.end(), {"MACHINE", "ACCEL", "ADDRESSES", "PID", "UID",
                                 "LABELS", "MESSAGE"});
  }
  return Table(std::move(header), coloured);
}

std::vector<Cell> GuestRow(const v1::Guest& guest, bool wide, absl::Time now) {
  std::vector<Cell> row = {
      std::string(ShortName(guest.name())),
      guest.owner(),
      std::string(ShortName(guest.host())),
      GuestStateCell(guest, now),
      absl::StrCat(guest.spec().vcpu_count()),
      FormatBytes(guest.spec().memory_bytes()),
      guest.has_create_time() ? FormatAge(now - ToTime(guest.create_time()))
                              : std::string(),
  };
  if (wide) {
    row.push_back(MachineText(guest));
    row.push_back(guest.acceleration());
    row.push_back(absl::StrJoin(guest.addresses(), ","));
    row.push_back(guest.has_process() ? absl::StrCat(guest.process().pid())
                                      : std::string());
    row.push_back(guest.uid());
    row.push_back(LabelsText(guest.labels()));
    row.push_back(guest.state_message());
  }
  return row;
}

Cell GuestStateCell(const v1::Guest& guest, absl::Time now) {
  std::string text = v1::Guest::State_Name(guest.state());
  if (guest.stale()) {
    absl::StrAppend(&text, " (stale ",
                    FormatAge(now - ToTime(guest.observe_time())), ")");
  } else if (guest.unresponsive()) {
    absl::StrAppend(&text, " (unresponsive)");
  }
  return Cell(std::move(text), ColourOf(guest));
}

std::string GuestDetails(const v1::Guest& guest, absl::Time now,
                         bool coloured) {
  Fields fields(coloured);
  const Cell state = GuestStateCell(guest, now);
  fields.Add("Name", guest.name());
  fields.Add("UID", guest.uid());
  fields.Add("Owner", guest.owner());
  fields.Add("Requested by", guest.requested_by());
  fields.Add("Host", guest.host());
  fields.Add("State", state);
  fields.Add("Message", guest.state_message());
  fields.Add("Operation", guest.operation());
  fields.Add("Machine", MachineText(guest));
  fields.Add("VCPUs", absl::StrCat(guest.spec().vcpu_count()));
  fields.Add("Memory", FormatBytes(guest.spec().memory_bytes()));
  if (!guest.acceleration().empty()) {
    fields.Add("Acceleration", absl::StrCat(guest.acceleration(), ": ",
                                            guest.acceleration_reason()));
  }
  for (const v1::GuestSpec::Disk& disk : guest.spec().disks()) {
    fields.Add("Disk", DiskText(disk));
  }
  // Of a running guest, what it has says more than what it asked for.
  if (guest.interfaces().empty()) {
    for (const auto& network : guest.spec().networks()) {
      fields.Add("Network", NetworkText(network));
    }
  }
  for (const v1::Guest::Interface& interface : guest.interfaces()) {
    fields.Add("Network", InterfaceText(interface));
  }
  if (guest.spec().firmware() != v1::GuestSpec::FIRMWARE_UNSPECIFIED) {
    fields.Add("Firmware",
               v1::GuestSpec::Firmware_Name(guest.spec().firmware()));
  }
  fields.Add("Kernel", guest.spec().kernel());
  fields.Add("Initrd", guest.spec().initrd());
  fields.Add("Command line", guest.spec().kernel_command_line());
  fields.Add("Labels", LabelsText(guest.labels()));
  fields.Add("Context", guest.spec().context());
  for (const auto& [name, value] : ContextParts(guest.effective_context())) {
    fields.Add("Part", absl::StrCat(name, " = ", value));
  }
  if (guest.has_process()) {
    fields.Add("Process", ProcessText(guest.process()));
  }
  if (guest.has_exit()) {
    fields.Add("Last exit", ExitText(guest.exit()));
    fields.Add("Last words", guest.exit().error_text());
  }
  if (guest.has_create_time()) {
    fields.Add("Created", TimeText(guest.create_time()));
  }
  if (guest.has_start_time()) {
    fields.Add("Started", TimeText(guest.start_time()));
  }
  if (guest.has_observe_time()) {
    fields.Add("Observed", TimeText(guest.observe_time()));
  }
  return fields.Render();
}

std::string LabelsText(
    const google::protobuf::Map<std::string, std::string>& labels) {
  const std::map<std::string, std::string> sorted(labels.begin(), labels.end());
  return absl::StrJoin(sorted, ",", absl::PairFormatter("="));
}

}  // namespace innkeeper
