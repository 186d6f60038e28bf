#include "cli/output/security_view.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/output/fields.h"
#include "cli/output/table.h"
#include "cli/output/time_text.h"

namespace innkeeper {
namespace {

using Security = v1::GuestSecurity;

Cell VerdictCell(Security::Verdict verdict) {
  switch (verdict) {
    case Security::SAME:
      return {"same", Colour::kGood};
    case Security::DIFFERENT:
      return {"! differs", Colour::kBad};
    case Security::INFORMATION:
      return {"told"};
    default:
      return {"? unknown", Colour::kWarning};
  }
}

// Before all else what needs a look.
constexpr Security::Verdict kOrder[] = {Security::DIFFERENT, Security::UNKNOWN,
                                        Security::VERDICT_UNSPECIFIED,
                                        Security::SAME, Security::INFORMATION};

std::string ProcessText(const Security& security) {
  return absl::StrCat(security.process().pid(), " as uid ",
                      security.process().unix_uid());
}

}  // namespace

int CountChecks(const Security& security, Security::Verdict verdict) {
  int count = 0;
  for (const Security::Check& check : security.checks()) {
    if (check.verdict() == verdict) ++count;
  }
  return count;
}

std::string SecuritySummary(const Security& security) {
  const int different = CountChecks(security, Security::DIFFERENT);
  const int same = CountChecks(security, Security::SAME) +
                   CountChecks(security, Security::INFORMATION);
  const int unknown = security.checks_size() - different - same;
  std::vector<std::string> parts;
  if (different > 0) {
    parts.push_back(
        absl::StrCat(different, different == 1 ? " differs" : " differ"));
  }
  if (unknown > 0) parts.push_back(absl::StrCat(unknown, " unknown"));
  return parts.empty() ? "as asked" : absl::StrJoin(parts, ", ");
}

std::string SecurityText(const Security& security, bool wide, bool coloured) {
  const int different = CountChecks(security, Security::DIFFERENT);
  const std::string summary = SecuritySummary(security);
  Fields fields(coloured);
  fields.Add("Guest", security.guest());
  fields.Add("Owner", security.owner());
  fields.Add("Host", security.host());
  fields.Add("Process", ProcessText(security));
  fields.Add("Read", TimeText(security.observe_time()));
  fields.Add("Checks", absl::StrCat(security.checks_size()));
  fields.Add("Confined",
             Cell(summary, different > 0           ? Colour::kBad
                           : summary == "as asked" ? Colour::kGood
                                                   : Colour::kWarning));
  std::vector<std::string> header = {"VERDICT", "CHECK", "ASKED", "ACTUAL"};
  if (wide) header.insert(header.end(), {"WHAT", "SOURCE"});
  Table table(header, coloured);
  for (const Security::Verdict verdict : kOrder) {
    for (const Security::Check& check : security.checks()) {
      if (check.verdict() != verdict) continue;
      std::vector<Cell> row = {VerdictCell(verdict), check.id(), check.asked(),
                               check.actual()};
      if (wide) row.insert(row.end(), {check.what(), check.source()});
      table.Add(std::move(row));
    }
  }
  return absl::StrCat(fields.Render(), "\n", table.Render());
}

}  // namespace innkeeper
