#include "cli/output/host_view.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "cli/name.h"
#include "cli/output/fields.h"
#include "cli/output/guest_view.h"
#include "cli/output/table.h"
#include "cli/output/time_text.h"
#include "cli/value.h"
#include "innkeeper/v1/hosts.pb.h"

namespace innkeeper {
namespace {

Cell StateCell(const v1::Host& host, absl::Time now) {
  std::string text = v1::Host::State_Name(host.state());
  Colour colour = Colour::kGood;
  if (host.state() == v1::Host::UNREACHABLE) {
    absl::StrAppend(&text, " (", FormatAge(now - ToTime(host.observe_time())),
                    ")");
    colour = Colour::kBad;
  } else if (host.state() != v1::Host::UP || host.cordoned()) {
    colour = Colour::kWarning;
  }
  if (host.cordoned()) absl::StrAppend(&text, ",CORDONED");
  return Cell(std::move(text), colour);
}

std::string Used(const std::string& allocated, const std::string& capacity) {
  return absl::StrCat(allocated, "/", capacity);
}

}  // namespace

Table HostTable(bool wide, bool coloured) {
  std::vector<std::string> header = {"NAME",  "STATE",  "GUESTS",
                                     "VCPUS", "MEMORY", "ACCEL"};
  if (wide) {
    header.insert(header.end(),
                  {"ADDRESS", "QEMU", "AGENT", "LABELS", "MESSAGE"});
  }
  return Table(std::move(header), coloured);
}

std::vector<Cell> HostRow(const v1::Host& host, bool wide, absl::Time now) {
  const v1::Host::Resources& has = host.capacity();
  const v1::Host::Resources& gave = host.allocated();
  std::vector<Cell> row = {
      std::string(ShortName(host.name())),
      StateCell(host, now),
      absl::StrCat(gave.guest_count()),
      Used(absl::StrCat(gave.vcpu_count()), absl::StrCat(has.vcpu_count())),
      Used(FormatBytes(gave.memory_bytes()), FormatBytes(has.memory_bytes())),
      host.acceleration().kvm() ? "kvm" : "tcg",
  };
  if (wide) {
    row.push_back(host.address());
    row.push_back(host.qemu_version());
    row.push_back(host.agent_version());
    row.push_back(LabelsText(host.labels()));
    row.push_back(host.state_message());
  }
  return row;
}

std::string HostDetails(const v1::Host& host, absl::Time now, bool coloured) {
  const v1::Host::Resources& has = host.capacity();
  const v1::Host::Resources& gave = host.allocated();
  Fields fields(coloured);
  fields.Add("Name", host.name());
  fields.Add("Address", host.address());
  fields.Add("State", StateCell(host, now));
  fields.Add("Message", host.state_message());
  fields.Add("Guests", absl::StrCat(gave.guest_count()));
  fields.Add("VCPUs", Used(absl::StrCat(gave.vcpu_count()),
                           absl::StrCat(has.vcpu_count())));
  fields.Add("Memory", Used(FormatBytes(gave.memory_bytes()),
                            FormatBytes(has.memory_bytes())));
  fields.Add("Acceleration",
             absl::StrCat(host.acceleration().kvm() ? "kvm: " : "tcg: ",
                          host.acceleration().reason()));
  fields.Add("QEMU", host.qemu_version());
  fields.Add("Machine types", absl::StrJoin(host.machine_types(), ", "));
  fields.Add("Features", absl::StrJoin(host.features(), ", "));
  fields.Add("Labels", LabelsText(host.labels()));
  for (const v1::Host::Network& network : host.networks()) {
    fields.Add("Network", network.name());
  }
  for (const v1::Host::Pool& pool : host.pools()) {
    fields.Add("Pool",
               absl::StrCat(pool.name(), pool.kind() == v1::Host::Pool::BLOCK
                                             ? " (block devices)"
                                             : " (directory)"));
  }
  for (const std::string& volume : host.volumes()) {
    fields.Add("Volume", volume);
  }
  for (const std::string& context : host.contexts()) {
    fields.Add("Context", context);
  }
  fields.Add("Machine id", host.machine_id());
  fields.Add("Boot id", host.boot_id());
  fields.Add("Agent", host.agent_version());
  if (host.has_enrol_time()) {
    fields.Add("Enrolled", TimeText(host.enrol_time()));
  }
  if (host.has_observe_time()) {
    fields.Add("Observed", TimeText(host.observe_time()));
  }
  return fields.Render();
}

}  // namespace innkeeper
