// A guest's serial console, as a client sees it.
#ifndef INNKEEPER_TESTS_INTEGRATION_CONSOLE_H_
#define INNKEEPER_TESTS_INTEGRATION_CONSOLE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "grpcpp/client_context.h"
#include "innkeeper/v1/consoles.grpc.pb.h"
#include "tests/integration/caller.h"

namespace innkeeper {

// Attached from its construction on, for at most kPatience. Not thread-safe.
class Console {
 public:
  Console(const Caller& caller, const std::string& guest);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  void Type(const std::string& line);
  // Whether `text` came after what the last call found.
  bool Await(const std::string& text);
  // Reads until the stream ends; with what.
  absl::Status AwaitEnd();

  // All that was read.
  const std::string& output() const { return output_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AttachSerialRequest,
                                           v1::AttachSerialResponse>>
      stream_;
  bool finished_ = false;
  std::string output_;
  size_t seen_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_TESTS_INTEGRATION_CONSOLE_H_
