#include "rpc/acceptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

// Accepted in one go before other work on the loop gets its turn.
constexpr int kAcceptBatch = 32;
constexpr absl::Duration kPauseWithoutDescriptors = absl::Milliseconds(50);

UniqueFd OpenSpare() {
  return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

// Descriptors from this number on are for others. accept(2) takes the lowest
// free number, so a number says how many are open.
size_t FdLimit(size_t reserved) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const size_t soft = std::min<size_t>(limit.rlim_cur, size_t{1} << 20);
  return soft - std::min(reserved, soft / 4);
}

// The kernel gives `fd` a name nobody else has; gRPC shows it as the peer.
absl::StatusOr<std::string> NameSocket(int fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  socklen_t length = sizeof(address);
  if (bind(fd, raw, sizeof(address.sun_family)) != 0 ||
      getsockname(fd, raw, &length) != 0) {
    return ErrnoError(errno, "cannot name a socket");
  }
  const size_t name = length - offsetof(sockaddr_un, sun_path) - 1;
  return absl::StrCat("unix-abstract:",
                      absl::string_view(address.sun_path + 1, name));
}

absl::StatusOr<UnixPeer> PeerOf(int fd) {
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return ErrnoError(errno, "SO_PEERCRED");
  }
  return UnixPeer{credentials.pid, credentials.uid, credentials.gid};
}

void TuneTcp(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

}  // namespace

Acceptor::Acceptor(Options options, ConnectionTable* table)
    : options_(options),
      table_(table),
      limiter_(options.max_unidentified_per_source),
      buckets_(std::make_shared<BucketTable>()),
      scratch_(new char[Relay::kChunk]),
      loop_(std::make_unique<EventLoop>("acceptor")) {}

Acceptor::~Acceptor() {
  StopAccepting();
  loop_->PostAndWait([this] {
    for (const auto& [id, entry] : entries_) table_->Erase(entry.key);
    entries_.clear();
  });
  loop_.reset();
}

absl::Status Acceptor::ListenTcp(absl::string_view address) {
  ASSIGN_OR_RETURN(Listener listener, innkeeper::ListenTcp(address));
  ports_.push_back(
      std::make_unique<Port>(Port{std::move(listener), false, false}));
  return absl::OkStatus();
}

absl::Status Acceptor::ListenUnix(absl::string_view path) {
  ASSIGN_OR_RETURN(Listener listener,
                   innkeeper::ListenUnix(path, options_.unix_mode));
  ports_.push_back(
      std::make_unique<Port>(Port{std::move(listener), true, false}));
  return absl::OkStatus();
}

std::vector<std::string> Acceptor::addresses() const {
  std::vector<std::string> addresses;
  for (const auto& port : ports_) addresses.push_back(port->listener.address);
  return addresses;
}

void Acceptor::Start(std::unique_ptr<Sink> tcp, std::unique_ptr<Sink> local) {
  tcp_ = std::move(tcp);
  local_ = std::move(local);
  loop_->PostAndWait([this] {
    spare_ = OpenSpare();
    fd_limit_ = FdLimit(options_.reserved_fds);
    for (const auto& port : ports_) Watch(port.get());
  });
}

void Acceptor::StopAccepting() {
  loop_->PostAndWait([this] {
    for (const auto& port : ports_) {
      if (port->watched) loop_->Unwatch(port->listener.fd.get());
      port->watched = false;
      port->listener.fd.reset();
    }
  });
}

void Acceptor::EndQuiet() {
  loop_->Post([this] {
    for (const auto& [id, entry] : entries_) ExpectQuiet(id);
  });
}

void Acceptor::ExpectQuiet(uint64_t id) {
  const uint64_t bytes = entries_.at(id).relay->bytes();
  loop_->After(kQuiet, [this, id, bytes] {
    const auto it = entries_.find(id);
    if (it == entries_.end()) return;
    if (it->second.relay->bytes() == bytes) {
      it->second.relay->EndClient();
    } else {
      ExpectQuiet(id);
    }
  });
}

void Acceptor::Finish(absl::Duration limit) {
  const auto empty = std::make_shared<absl::Notification>();
  loop_->Post([this, empty] {
    if (entries_.empty()) {
      empty->Notify();
      return;
    }
    on_empty_ = [empty] { empty->Notify(); };
    for (const auto& [id, entry] : entries_) entry.relay->EndClient();
  });
  empty->WaitForNotificationWithTimeout(limit);
}

void Acceptor::Watch(Port* port) {
  if (!port->listener.fd.valid() || port->watched) return;
  port->watched = true;
  loop_->Watch(port->listener.fd.get(), EPOLLIN,
               [this, port](uint32_t) { OnReadable(port); });
}

void Acceptor::OnReadable(Port* port) {
  for (int i = 0; i < kAcceptBatch; ++i) {
    if (!AcceptOne(port)) return;
  }
}

bool Acceptor::AcceptOne(Port* port) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  UniqueFd client(accept4(port->listener.fd.get(),
                          reinterpret_cast<sockaddr*>(&address), &length,
                          SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (client.valid()) {
    Admit(port, std::move(client), address);
    return true;
  }
  if (errno == EMFILE || errno == ENFILE) {
    ShedWithoutDescriptors(port);
    return false;
  }
  // Whatever else went wrong went wrong with that one connection.
  return errno != EAGAIN && errno != EWOULDBLOCK;
}

void Acceptor::ShedWithoutDescriptors(Port* port) {
  spare_.reset();
  Shed(UniqueFd(accept4(port->listener.fd.get(), nullptr, nullptr,
                        SOCK_CLOEXEC | SOCK_NONBLOCK)));
  spare_ = OpenSpare();
  if (spare_.valid()) return;
  // Somebody else took the descriptor. Without a pause this would spin.
  loop_->Unwatch(port->listener.fd.get());
  port->watched = false;
  loop_->After(kPauseWithoutDescriptors, [this, port] {
    if (!spare_.valid()) spare_ = OpenSpare();
    Watch(port);
  });
}

void Acceptor::Admit(Port* port, UniqueFd client,
                     const sockaddr_storage& address) {
  // Two more descriptors are needed for the socketpair.
  if (static_cast<size_t>(client.get()) + 2 >= fd_limit_ ||
      entries_.size() >= options_.max_connections) {
    Shed(std::move(client));
    return;
  }
  std::string name;
  std::string source;
  std::optional<UnixPeer> unix_peer;
  if (port->is_unix) {
    const absl::StatusOr<UnixPeer> peer = PeerOf(client.get());
    if (!peer.ok()) {
      Shed(std::move(client));
      return;
    }
    unix_peer = *peer;
    name = absl::StrCat("unix:uid=", peer->uid, ",pid=", peer->pid);
    source = absl::StrCat("uid:", peer->uid);
  } else {
    TuneTcp(client.get());
    name = FormatAddress(address);
    source = SourceOf(address);
  }
  SourceLimiter::Slot slot = limiter_.Take(source);
  if (!slot.held()) {
    Shed(std::move(client));
    return;
  }
  Hand(port, std::move(client), std::move(name), unix_peer, source,
       std::move(slot));
}

void Acceptor::Hand(Port* port, UniqueFd client, std::string address,
                    std::optional<UnixPeer> unix_peer, absl::string_view source,
                    SourceLimiter::Slot slot) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                 pair) != 0) {
    Shed(std::move(client));
    return;
  }
  UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  absl::StatusOr<std::string> key = NameSocket(ours.get());
  if (!key.ok()) {
    Shed(std::move(client));
    return;
  }
  auto connection = std::make_shared<Connection>(
      std::move(address), port->listener.address, unix_peer, source,
      std::move(slot), buckets_);
  table_->Insert(*key, connection);

  const uint64_t id = next_id_++;
  Entry& entry = entries_[id];
  entry.key = *std::move(key);
  entry.connection = connection;
  entry.relay = std::make_unique<Relay>(
      loop_.get(), std::move(client), std::move(ours), &connection->pace(),
      scratch_.get(), [this, id] { loop_->Post([this, id] { Forget(id); }); });
  entry.relay->Start();
  loop_->After(options_.silence_limit, [this, id] { ExpectCall(id); });

  Sink::NewConnectionParameters parameters;
  parameters.listener_fd = -1;
  parameters.fd = theirs.release();
  (port->is_unix ? local_ : tcp_)->HandleNewConnection(&parameters);
}

void Acceptor::ExpectCall(uint64_t id) {
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.connection->identified()) return;
  if (!it->second.relay->heard()) {
    Cut(id);
    return;
  }
  loop_->After(options_.identify_limit - options_.silence_limit, [this, id] {
    const auto it = entries_.find(id);
    if (it != entries_.end() && !it->second.connection->identified()) Cut(id);
  });
}

void Acceptor::Shed(UniqueFd client) {
  shed_.fetch_add(1, std::memory_order_relaxed);
  if (!client.valid()) return;
  // A reset tells the client at once and leaves nothing behind here.
  const linger reset{1, 0};
  setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

void Acceptor::Cut(uint64_t id) {
  shed_.fetch_add(1, std::memory_order_relaxed);
  const auto it = entries_.find(id);
  LogDebug("connection.cut", {{"address", it->second.connection->address()}});
  it->second.relay->Close();
}

void Acceptor::Forget(uint64_t id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  table_->Erase(it->second.key);
  entries_.erase(it);
  if (entries_.empty() && on_empty_) std::exchange(on_empty_, nullptr)();
}

}  // namespace innkeeper
