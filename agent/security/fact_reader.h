// Finds single values in what the launcher has read.
#ifndef INNKEEPER_AGENT_SECURITY_FACT_READER_H_
#define INNKEEPER_AGENT_SECURITY_FACT_READER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launch/guest_facts.h"

namespace innkeeper {

// One line of mountinfo.
struct MountFact {
  std::string point;
  std::vector<std::string> options;  // Of the mount, not of its file system.

  bool Has(absl::string_view option) const;
};

// How many descriptors of one kind, of how many different things.
struct FdKindFact {
  int64_t count = 0;
  int64_t distinct = 0;
};

// Input: untrusted; a guest can put anything into its name. Every error's
// message says, for people, why there is no value. The facts must outlive it.
class FactReader {
 public:
  explicit FactReader(const GuestFacts& facts) : facts_(facts) {}

  // The whole text. NOT_FOUND if it was not read.
  absl::StatusOr<std::string> Text(absl::string_view fact) const;
  // The text without what is blank around it.
  absl::StatusOr<std::string> Line(absl::string_view fact) const;
  absl::StatusOr<int64_t> Number(absl::string_view fact) const;
  // Field `name` of a text of lines "NAME:\tVALUE", blanks made one.
  absl::StatusOr<std::string> Field(absl::string_view fact,
                                    absl::string_view name) const;
  // Field `number` of "stat", counted from 1 as proc(5) does, 3 or more.
  absl::StatusOr<int64_t> StatField(int number) const;
  // Soft and hard limit of "limits": `name` as it is there.
  absl::StatusOr<std::pair<std::string, std::string>> Limit(
      absl::string_view name) const;
  absl::StatusOr<std::vector<MountFact>> Mounts() const;
  absl::StatusOr<std::map<std::string, FdKindFact>> Fds() const;
  // Lines "KEY:VALUE" or "KEY VALUE" of "ns", "host.ns" and "sockets".
  absl::StatusOr<std::string> Entry(absl::string_view fact,
                                    absl::string_view key) const;

 private:
  const GuestFacts& facts_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SECURITY_FACT_READER_H_
