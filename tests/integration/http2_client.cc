#include "tests/integration/http2_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "auth/openssl.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kPatienceToSend = absl::Seconds(60);
constexpr size_t kFrameHeaderBytes = 9;
constexpr size_t kMaxRecord = size_t{16} << 10;

// Indexes of HPACK's static table.
constexpr char kMethodPost = 3;
constexpr char kSchemeHttps = 7;
constexpr int kFirstDynamicIndex = 62;

absl::Status Gone(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", strerror(errno)));
}

std::string BigEndian(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) {
    out.push_back(static_cast<char>(value >> (8 * i)));
  }
  return out;
}

uint32_t ReadBigEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes) {
    value = value << 8 | static_cast<unsigned char>(byte);
  }
  return value;
}

// An integer of HPACK behind a prefix of 7 bits that says nothing else.
std::string Integer(uint64_t value) {
  std::string out;
  if (value < 127) return std::string(1, static_cast<char>(value));
  out.push_back(127);
  for (value -= 127; value >= 128; value >>= 7) {
    out.push_back(static_cast<char>(value % 128 + 128));
  }
  out.push_back(static_cast<char>(value));
  return out;
}

std::string Literals(const Http2Client::Fields& fields, char kind) {
  std::string block = {static_cast<char>(0x80 | kMethodPost),
                       static_cast<char>(0x80 | kSchemeHttps)};
  for (const auto& [name, value] : fields) {
    absl::StrAppend(&block, std::string(1, kind), Integer(name.size()), name,
                    Integer(value.size()), value);
  }
  return block;
}

absl::StatusOr<UniqueFd> Dial(const std::string& address,
                              const std::string& source) {
  const size_t colon = address.rfind(':');
  int port = 0;
  sockaddr_in from = {};
  sockaddr_in to = {};
  from.sin_family = to.sin_family = AF_INET;
  if (colon == std::string::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      inet_pton(AF_INET, source.c_str(), &from.sin_addr) != 1 ||
      inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) != 1) {
    return absl::InvalidArgumentError(address);
  }
  to.sin_port = htons(static_cast<uint16_t>(port));
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&from), sizeof(from)) != 0 ||
      connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
    return Gone("connect");
  }
  fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  return fd;
}

// A TLS client whose connection is not there yet.
Ssl<SSL> MakeTls(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  Ssl<SSL> ssl(SSL_new(context));
  constexpr unsigned char kProtocols[] = {2, 'h', '2'};
  SSL_set_alpn_protos(ssl.get(), kProtocols, sizeof(kProtocols));
  SSL_set_connect_state(ssl.get());
  return ssl;
}

absl::Status Use(const TestCertificate& certificate, SSL* ssl) {
  ASSIGN_OR_RETURN(const std::vector<Ssl<X509>> chain,
                   ParsePemCertificates(certificate.chain_pem, 4));
  ASSIGN_OR_RETURN(const Ssl<EVP_PKEY> key,
                   ParsePrivateKey(certificate.key_pem));
  bool good = SSL_use_certificate(ssl, chain[0].get()) == 1 &&
              SSL_use_PrivateKey(ssl, key.get()) == 1;
  for (size_t i = 1; good && i < chain.size(); ++i) {
    good = SSL_add1_chain_cert(ssl, chain[i].get()) == 1;
  }
  return good ? absl::OkStatus() : OpenSslError("use the certificate");
}

}  // namespace

Http2Client::Http2Client(UniqueFd fd, Ssl<SSL_CTX> context, Ssl<SSL> ssl)
    : fd_(std::move(fd)), context_(std::move(context)), ssl_(std::move(ssl)) {}

absl::StatusOr<std::unique_ptr<Http2Client>> Http2Client::Connect(
    const std::string& address, const TestCertificate& certificate,
    const std::string& source) {
  signal(SIGPIPE, SIG_IGN);
  ASSIGN_OR_RETURN(UniqueFd fd, Dial(address, source));
  Ssl<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  Ssl<SSL> ssl = MakeTls(context.get());
  RETURN_IF_ERROR(Use(certificate, ssl.get()));
  SSL_set_fd(ssl.get(), fd.get());
  std::unique_ptr<Http2Client> client(
      new Http2Client(std::move(fd), std::move(context), std::move(ssl)));
  RETURN_IF_ERROR(client->Handshake());
  client->out_ = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  client->Add(kSettings, 0, 0, "");
  RETURN_IF_ERROR(client->Flush());
  return client;
}

std::string Http2Client::Hello() {
  const Ssl<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  const Ssl<SSL> ssl = MakeTls(context.get());
  BIO* const sent = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), sent);
  SSL_do_handshake(ssl.get());
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(sent, &bytes);
  return std::string(bytes, static_cast<size_t>(size));
}

absl::Status Http2Client::Handshake() {
  while (true) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return absl::OkStatus();
    const int error = SSL_get_error(ssl_.get(), result);
    const bool waits =
        error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    if (!waits) return Gone("handshake");
    if (!Wait(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT,
              kPatienceToSend)) {
      return absl::DeadlineExceededError("handshake");
    }
  }
}

bool Http2Client::Wait(short events, absl::Duration patience) const {
  pollfd waiting = {fd_.get(), events, 0};
  const int64_t millis =
      std::max<int64_t>(0, absl::ToInt64Milliseconds(patience));
  return poll(&waiting, 1, static_cast<int>(millis)) > 0;
}

void Http2Client::Add(Type type, uint8_t flags, uint32_t stream,
                      absl::string_view payload) {
  absl::StrAppend(&out_, BigEndian(payload.size(), 3), BigEndian(type, 1),
                  BigEndian(flags, 1), BigEndian(stream, 4), payload);
}

absl::Status Http2Client::Flush() {
  size_t sent = 0;
  while (sent < out_.size()) {
    RETURN_IF_ERROR(Receive());
    const int size = static_cast<int>(std::min(kMaxRecord, out_.size() - sent));
    ERR_clear_error();
    const int result = SSL_write(ssl_.get(), out_.data() + sent, size);
    if (result > 0) {
      sent += static_cast<size_t>(result);
      continue;
    }
    if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_WRITE) {
      return Gone("write");
    }
    if (!Wait(POLLIN | POLLOUT, kPatienceToSend)) {
      return absl::DeadlineExceededError("write");
    }
  }
  out_.clear();
  // What came may have asked for answers; they go with the next frames.
  return Receive();
}

absl::Status Http2Client::Receive() {
  char buffer[kMaxRecord];
  while (true) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), buffer, sizeof(buffer));
    if (got > 0) {
      in_.append(buffer, static_cast<size_t>(got));
      continue;
    }
    HandleFrames();
    if (SSL_get_error(ssl_.get(), got) == SSL_ERROR_WANT_READ) {
      return absl::OkStatus();
    }
    return Gone("read");
  }
}

void Http2Client::HandleFrames() {
  size_t at = 0;
  while (in_.size() - at >= kFrameHeaderBytes) {
    const absl::string_view header(in_.data() + at, kFrameHeaderBytes);
    const size_t size = ReadBigEndian(header.substr(0, 3));
    if (in_.size() - at < kFrameHeaderBytes + size) break;
    HandleFrame(static_cast<uint8_t>(header[3]),
                static_cast<uint8_t>(header[4]),
                ReadBigEndian(header.substr(5)) & 0x7fffffff,
                in_.substr(at + kFrameHeaderBytes, size));
    at += kFrameHeaderBytes + size;
  }
  in_.erase(0, at);
}

void Http2Client::HandleFrame(uint8_t type, uint8_t flags, uint32_t stream,
                              const std::string& payload) {
  const bool carries = type == kData || type == kHeaders;
  if (type == kRstStream || (carries && (flags & kEndStream) != 0)) {
    ended_.push_back(stream);
  }
  // Those who did not answer would be taken for dead.
  const bool asks = type == kPing || type == kSettings;
  if (asks && (flags & kAck) == 0) {
    Add(static_cast<Type>(type), kAck, 0, type == kPing ? payload : "");
  }
}

absl::Status Http2Client::AwaitEnd(uint32_t stream, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  while (true) {
    absl::Status status = Flush();
    if (std::find(ended_.begin(), ended_.end(), stream) != ended_.end()) {
      ended_.clear();
      return absl::OkStatus();
    }
    if (!status.ok()) return status;
    if (!Wait(POLLIN, deadline - absl::Now())) {
      return absl::DeadlineExceededError(
          absl::StrCat("stream ", stream, " is not answered"));
    }
  }
}

uint32_t Http2Client::NextStream() {
  const uint32_t stream = next_stream_;
  next_stream_ += 2;
  return stream;
}

std::string Http2Client::Encode(const Fields& fields) {
  return Literals(fields, 0x00);
}

std::string Http2Client::EncodeAndKeep(const Fields& fields) {
  return Literals(fields, 0x40);
}

std::string Http2Client::Recall(size_t count) {
  std::string block = Literals({}, 0);
  // The newest comes first in the table.
  for (size_t i = count; i > 0; --i) {
    block.push_back(static_cast<char>(
        0x80 | (kFirstDynamicIndex + static_cast<int>(i) - 1)));
  }
  return block;
}

std::string Http2Client::BeginField(absl::string_view name, uint64_t bytes) {
  return absl::StrCat(std::string(1, '\0'), Integer(name.size()), name,
                      Integer(bytes));
}

Http2Client::Fields Http2Client::CallTo(const std::string& path) {
  return {{":path", path},
          {":authority", "localhost"},
          {"te", "trailers"},
          {"content-type", "application/grpc"}};
}

std::string Http2Client::Message(absl::string_view bytes) {
  return absl::StrCat(BigEndian(0, 1), BigEndian(bytes.size(), 4), bytes);
}

}  // namespace innkeeper
