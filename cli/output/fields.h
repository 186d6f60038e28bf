// "Key:  value" lines.
#ifndef INNKEEPER_CLI_OUTPUT_FIELDS_H_
#define INNKEEPER_CLI_OUTPUT_FIELDS_H_

#include <string>
#include <utility>
#include <vector>

#include "cli/output/table.h"

namespace innkeeper {

// Not thread-safe.
class Fields {
 public:
  explicit Fields(bool coloured) : coloured_(coloured) {}

  // Leaves out an empty value. The same key again is a line of its own.
  void Add(std::string key, Cell value);

  // All lines, values aligned and neutralised.
  std::string Render() const;

 private:
  const bool coloured_;
  std::vector<std::pair<std::string, Cell>> fields_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_OUTPUT_FIELDS_H_
