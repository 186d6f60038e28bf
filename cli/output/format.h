// How results are shown.
#ifndef INNKEEPER_CLI_OUTPUT_FORMAT_H_
#define INNKEEPER_CLI_OUTPUT_FORMAT_H_

namespace innkeeper {

enum class OutputFormat {
  kTable,  // For people.
  kWide,   // For people with a wide terminal.
  kJson,   // The response message in proto3 JSON, indented.
  kJsonl,  // One JSON message a line.
  kName,   // Full resource names, one a line.
};

// Whether `format` is one of the JSON forms.
inline bool IsJson(OutputFormat format) {
  return format == OutputFormat::kJson || format == OutputFormat::kJsonl;
}

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_OUTPUT_FORMAT_H_
