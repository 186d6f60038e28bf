// HTTP/2 over mutual TLS, frame by frame: also what no gRPC client would send.
#ifndef INNKEEPER_TESTS_INTEGRATION_HTTP2_CLIENT_H_
#define INNKEEPER_TESTS_INTEGRATION_HTTP2_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/openssl.h"
#include "auth/testing/test_pki.h"
#include "base/unique_fd.h"

namespace innkeeper {

// One connection. It believes any server. Not thread-safe.
class Http2Client {
 public:
  enum Type : uint8_t {
    kData = 0,
    kHeaders = 1,
    kRstStream = 3,
    kSettings = 4,
    kPing = 6,
    kGoAway = 7,
    kContinuation = 9,
  };
  static constexpr uint8_t kEndStream = 0x1;  // Of kData and kHeaders.
  static constexpr uint8_t kAck = 0x1;        // Of kSettings and kPing.
  static constexpr uint8_t kEndHeaders = 0x4;

  using Fields = std::vector<std::pair<std::string, std::string>>;

  // Dials `address`, "127.0.0.1:PORT", from `source`, shakes hands with
  // `certificate`, and sends the preface and empty settings. UNAVAILABLE if
  // the server does not want it. The process ignores SIGPIPE from then on.
  static absl::StatusOr<std::unique_ptr<Http2Client>> Connect(
      const std::string& address, const TestCertificate& certificate,
      const std::string& source = "127.0.0.1");

  // The ClientHello that Connect sends.
  static std::string Hello();

  // Takes a frame; Flush sends it.
  void Add(Type type, uint8_t flags, uint32_t stream,
           absl::string_view payload);
  // Bytes that Flush will send.
  size_t waiting() const { return out_.size(); }
  // Sends all that was added, at the server's pace, and takes what comes.
  // UNAVAILABLE once the server has ended the connection.
  absl::Status Flush();
  // Flushes, then waits until the server has ended `stream`, by whatever it
  // answers. UNAVAILABLE as Flush; DEADLINE_EXCEEDED after `patience`.
  absl::Status AwaitEnd(uint32_t stream, absl::Duration patience);
  // The number of a stream that was not used yet.
  uint32_t NextStream();

  // `fields` in HPACK (RFC 7541), without Huffman codes. The server's table of
  // names is left as it is.
  static std::string Encode(const Fields& fields);
  // The same, and the server is to remember each field...
  static std::string EncodeAndKeep(const Fields& fields);
  // ...so that this is all of it: of `count` fields, if none came after them.
  static std::string Recall(size_t count);
  // The beginning of a field whose value has `bytes` bytes.
  static std::string BeginField(absl::string_view name, uint64_t bytes);

  // What every gRPC call to `path` begins with.
  static Fields CallTo(const std::string& path);
  // A message as gRPC frames it.
  static std::string Message(absl::string_view bytes);

 private:
  Http2Client(UniqueFd fd, Ssl<SSL_CTX> context, Ssl<SSL> ssl);

  absl::Status Handshake();
  // Takes what has come, if anything has.
  absl::Status Receive();
  void HandleFrames();
  void HandleFrame(uint8_t type, uint8_t flags, uint32_t stream,
                   const std::string& payload);
  // Waits for the socket; false after `patience`.
  bool Wait(short events, absl::Duration patience) const;

  const UniqueFd fd_;
  const Ssl<SSL_CTX> context_;
  const Ssl<SSL> ssl_;
  uint32_t next_stream_ = 1;
  std::string out_;
  std::string in_;
  // Streams that the server has ended since the last AwaitEnd.
  std::vector<uint32_t> ended_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_TESTS_INTEGRATION_HTTP2_CLIENT_H_
