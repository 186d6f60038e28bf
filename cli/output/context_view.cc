#include "cli/output/context_view.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "cli/name.h"
#include "cli/output/fields.h"
#include "cli/output/time_text.h"
#include "cli/value.h"

namespace innkeeper {
namespace {

using Spec = v1::ContextSpec;
using Parts = std::vector<std::pair<std::string, std::string>>;

std::string LabelText(const Spec::Label& label) {
  return absl::StrCat(label.value(), label.unique() ? " (unique)" : "");
}

std::string IdentityText(const Spec::Identity& identity) {
  if (identity.kind() == Spec::Identity::NAMED) return identity.name();
  return identity.kind() == Spec::Identity::OWNER ? "the owner's"
                                                  : "of its own";
}

void AddCgroup(const Spec::Cgroup& cgroup, Parts* parts) {
  const auto add = [parts](const char* name, int64_t value) {
    if (value != 0) parts->emplace_back(name, absl::StrCat(value));
  };
  if (!cgroup.slice().empty()) parts->emplace_back("slice", cgroup.slice());
  add("cpu-millis", cgroup.cpu_millis());
  add("cpu-weight", cgroup.cpu_weight());
  if (cgroup.memory_overhead_bytes() != 0) {
    parts->emplace_back("memory-overhead",
                        FormatBytes(cgroup.memory_overhead_bytes()));
  }
  add("pids", cgroup.pid_count());
  add("io-read-bytes", cgroup.io_read_bytes_per_second());
  add("io-write-bytes", cgroup.io_write_bytes_per_second());
  add("io-reads", cgroup.io_reads_per_second());
  add("io-writes", cgroup.io_writes_per_second());
}

}  // namespace

Parts ContextParts(const Spec& spec) {
  Parts parts;
  if (spec.has_identity()) {
    parts.emplace_back("identity", IdentityText(spec.identity()));
  }
  if (spec.groups_size() > 0) {
    parts.emplace_back("groups", absl::StrJoin(spec.groups(), ","));
  }
  if (spec.has_selinux()) {
    parts.emplace_back("selinux", LabelText(spec.selinux()));
  }
  if (spec.has_apparmor()) {
    parts.emplace_back("apparmor", LabelText(spec.apparmor()));
  }
  for (const Spec::Namespace& space : spec.namespaces()) {
    parts.emplace_back(
        absl::StrCat(
            "namespace ",
            absl::AsciiStrToLower(Spec::Namespace::Kind_Name(space.kind()))),
        space.mode() == Spec::Namespace::NAMED
            ? space.name()
            : absl::AsciiStrToLower(Spec::Namespace::Mode_Name(space.mode())));
  }
  if (!spec.root().empty()) parts.emplace_back("root", spec.root());
  if (spec.capabilities_size() > 0) {
    parts.emplace_back("capabilities", absl::StrJoin(spec.capabilities(), ","));
  }
  if (spec.allowed_seccomp_classes_size() > 0) {
    std::vector<std::string> classes;
    for (int i = 0; i < spec.allowed_seccomp_classes_size(); ++i) {
      classes.push_back(absl::AsciiStrToLower(
          Spec::SeccompClass_Name(spec.allowed_seccomp_classes(i))));
    }
    parts.emplace_back("allowed seccomp", absl::StrJoin(classes, ","));
  }
  if (spec.landlock() != Spec::LANDLOCK_UNSPECIFIED) {
    parts.emplace_back("landlock", absl::AsciiStrToLower(
                                       Spec::Landlock_Name(spec.landlock())));
  }
  AddCgroup(spec.cgroup(), &parts);
  for (const Spec::Rlimit& limit : spec.rlimits()) {
    parts.emplace_back(absl::StrCat("rlimit ", limit.resource()),
                       absl::StrCat(limit.value()));
  }
  if (spec.has_nice()) parts.emplace_back("nice", absl::StrCat(spec.nice()));
  if (!spec.cpu_affinity().empty()) {
    parts.emplace_back("affinity", spec.cpu_affinity());
  }
  if (spec.has_oom_score_adj()) {
    parts.emplace_back("oom-score", absl::StrCat(spec.oom_score_adj()));
  }
  const std::map<std::string, std::string> sorted(spec.environment().begin(),
                                                  spec.environment().end());
  for (const auto& [name, value] : sorted) {
    parts.emplace_back(absl::StrCat("env ", name), value);
  }
  return parts;
}

std::string ContextText(const Spec& spec) {
  return absl::StrJoin(ContextParts(spec), " ", absl::PairFormatter("="));
}

Table ContextTable(bool wide, bool coloured) {
  std::vector<std::string> header = {"NAME", "HOST", "USERS", "AGE"};
  if (wide) header.insert(header.end(), {"CREATOR", "PARTS"});
  header.emplace_back("DESCRIPTION");
  return Table(std::move(header), coloured);
}

std::vector<Cell> ContextRow(const v1::Context& context, bool wide,
                             absl::Time now) {
  std::vector<Cell> row = {
      std::string(ShortName(context.name())),
      std::string(ShortName(context.host())),
      absl::StrJoin(context.users(), ","),
      context.has_create_time() ? FormatAge(now - ToTime(context.create_time()))
                                : std::string(),
  };
  if (wide) {
    row.push_back(context.creator());
    row.push_back(ContextText(context.spec()));
  }
  row.push_back(context.description());
  return row;
}

std::string ContextDetails(const v1::Context& context, bool coloured) {
  Fields fields(coloured);
  fields.Add("Name", context.name());
  fields.Add("Host", context.host());
  fields.Add("Description", context.description());
  for (const std::string& user : context.users()) fields.Add("User", user);
  for (const auto& [name, value] : ContextParts(context.spec())) {
    fields.Add("Part", absl::StrCat(name, " = ", value));
  }
  fields.Add("Creator", context.creator());
  if (context.has_create_time()) {
    fields.Add("Created", TimeText(context.create_time()));
  }
  fields.Add("Etag", context.etag());
  return fields.Render();
}

}  // namespace innkeeper
