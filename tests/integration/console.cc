#include "tests/integration/console.h"

#include <string>

#include "absl/status/status.h"
#include "rpc/status_map.h"

namespace innkeeper {

Console::Console(const Caller& caller, const std::string& guest) {
  SetTimeout(&context_, kPatience);
  stream_ = caller.consoles().AttachSerial(&context_);
  v1::AttachSerialRequest request;
  request.set_name("guests/" + guest);
  stream_->Write(request);
}

Console::~Console() {
  if (finished_) return;
  context_.TryCancel();
  stream_->Finish();
}

void Console::Type(const std::string& line) {
  v1::AttachSerialRequest request;
  request.set_input(line + "\n");
  stream_->Write(request);
}

bool Console::Await(const std::string& text) {
  v1::AttachSerialResponse response;
  size_t found;
  while ((found = output_.find(text, seen_)) == std::string::npos) {
    if (!stream_->Read(&response)) return false;
    output_ += response.output();
  }
  seen_ = found + text.size();
  return true;
}

absl::Status Console::AwaitEnd() {
  v1::AttachSerialResponse response;
  while (stream_->Read(&response)) output_ += response.output();
  finished_ = true;
  return FromGrpcStatus(stream_->Finish());
}

}  // namespace innkeeper
