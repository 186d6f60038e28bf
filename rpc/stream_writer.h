// A handler's end of a server stream.
#ifndef INNKEEPER_RPC_STREAM_WRITER_H_
#define INNKEEPER_RPC_STREAM_WRITER_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "google/protobuf/message_lite.h"
#include "grpcpp/support/byte_buffer.h"
#include "rpc/stream_core.h"

namespace innkeeper {

// What a message weighs in the queue of a stream.
inline size_t StreamedBytes(const google::protobuf::MessageLite& message) {
  return message.ByteSizeLong();
}
inline size_t StreamedBytes(const grpc::ByteBuffer& bytes) {
  return bytes.Length();
}

// Made by the gate. Thread-safe. Shared by whoever writes; the stream goes on
// after the last reference is dropped, so that a producer must Finish() it.
// Finish, SetCancelHandler, SetDrainHandler, WritePermitted and open are in
// rpc/stream_core.h.
template <typename Response>
class StreamWriter final : public StreamCore {
 public:
  using StreamCore::StreamCore;

  // Queues a message behind those before it. Never blocks. False if the stream
  // has ended: the producer need not go on. A client that lets more than
  // kMaxMessages or kMaxBytes wait loses the stream (WATCHER_TOO_SLOW).
  bool Write(Response message) {
    return WriteShared(std::make_shared<const Response>(std::move(message)));
  }
  // The same for a message that goes to many streams.
  bool WriteShared(std::shared_ptr<const Response> message) {
    const size_t bytes = StreamedBytes(*message);
    return Enqueue(std::move(message), bytes);
  }
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_STREAM_WRITER_H_
