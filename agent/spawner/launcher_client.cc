#include "agent/spawner/launcher_client.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/launcher/guest_facts_codec.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

// The launcher works off one request after the other: more in wait than this
// are better refused.
constexpr size_t kMaxPending = 1024;

absl::Status Gone() {
  return Error(absl::StatusCode::kUnavailable, reason::kLauncherUnavailable,
               "the launcher is gone; it and the agent are being restarted");
}

}  // namespace

// The socket and what waits for it. Every method runs on the loop.
class LauncherClient::Connection
    : public std::enable_shared_from_this<Connection> {
 public:
  struct Reply {
    std::string body;
    UniqueFd fd;
  };

  Connection(EventLoop* loop, UniqueFd socket, absl::Duration deadline)
      : loop_(loop), socket_(std::move(socket)), deadline_(deadline) {}

  void Start() {
    std::weak_ptr<Connection> weak = weak_from_this();
    loop_->Watch(socket_.get(), EPOLLIN, [weak](uint32_t events) {
      const std::shared_ptr<Connection> self = weak.lock();
      if (self != nullptr) self->HandleEvents(events);
    });
  }

  void Request(RequestType type, absl::string_view payload,
               Completion<Reply> done) {
    if (!socket_.valid()) return done(Gone());
    if (payload.size() + kMessageHeaderBytes > kMaxMessageBytes) {
      return done(Error(absl::StatusCode::kInvalidArgument,
                        reason::kMessageTooLarge,
                        "the request does not fit into one message"));
    }
    if (pending_.size() >= kMaxPending) {
      return done(Error(absl::StatusCode::kResourceExhausted,
                        reason::kTooManyRequests,
                        "too many requests wait for the launcher"));
    }
    const uint64_t id = next_id_++;
    std::weak_ptr<Connection> weak = weak_from_this();
    const EventLoop::TimerId timer = loop_->After(deadline_, [weak, id] {
      const std::shared_ptr<Connection> self = weak.lock();
      if (self != nullptr) self->Expire(id);
    });
    const uint32_t number = static_cast<uint32_t>(type);
    pending_[id] = {number, timer, std::move(done)};
    outgoing_.push_back({id, EncodeMessage(number, id, payload)});
    Flush();
  }

  void SetDisconnectHandler(absl::AnyInvocable<void()> handler) {
    if (!socket_.valid() && !closed_by_owner_) return handler();
    disconnect_ = std::move(handler);
  }

  // The owner goes: nobody is to be told of a lost launcher.
  void CloseByOwner() {
    closed_by_owner_ = true;
    disconnect_ = nullptr;
    Close();
  }

 private:
  struct Pending {
    uint32_t type;
    EventLoop::TimerId timer;
    Completion<Reply> done;
  };
  struct Outgoing {
    uint64_t id;
    std::string datagram;
  };

  void HandleEvents(uint32_t events) {
    // Answers that came before the end are still answers.
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) ReadAll();
    if (socket_.valid() && (events & EPOLLOUT)) Flush();
  }

  void ReadAll() {
    const std::shared_ptr<Connection> self = shared_from_this();
    while (socket_.valid()) {
      if (!ReadOne()) return;
    }
  }

  // False if there is nothing more to read now.
  bool ReadOne() {
    std::string buffer(kMaxMessageBytes + 1, '\0');
    iovec part = {buffer.data(), buffer.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    const ssize_t got =
        recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) return true;
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) {
      Close();
      return false;
    }
    UniqueFd fd;
    const cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    if (rights != nullptr && rights->cmsg_level == SOL_SOCKET &&
        rights->cmsg_type == SCM_RIGHTS) {
      int number;
      memcpy(&number, CMSG_DATA(rights), sizeof(number));
      fd.reset(number);
    }
    buffer.resize(static_cast<size_t>(got));
    Dispatch(buffer, std::move(fd));
    return true;
  }

  void Dispatch(absl::string_view datagram, UniqueFd fd) {
    absl::StatusOr<Message> message = DecodeMessage(datagram);
    if (!message.ok()) {
      LogError("launcher.malformed", {{"error", message.status().message()}});
      return Close();
    }
    const auto found = pending_.find(message->request_id);
    // One that was given up, whose descriptor closes here.
    if (found == pending_.end()) return;
    if (message->type != (found->second.type | kReplyBit)) {
      LogError("launcher.malformed", {{"error", "an answer of another type"}});
      return Close();
    }
    Pending pending = std::move(found->second);
    pending_.erase(found);
    loop_->Cancel(pending.timer);
    const absl::Status status = DecodeReply(message->payload);
    if (!status.ok()) return pending.done(status);
    pending.done(Reply{std::string(message->payload), std::move(fd)});
  }

  void Flush() {
    while (!outgoing_.empty()) {
      const std::string& datagram = outgoing_.front().datagram;
      if (send(socket_.get(), datagram.data(), datagram.size(),
               MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno == EINTR) continue;
        // Any other error shows as a hang-up when the socket is read.
        break;
      }
      outgoing_.pop_front();
    }
    loop_->SetEvents(socket_.get(),
                     outgoing_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
  }

  void Expire(uint64_t id) {
    const auto found = pending_.find(id);
    if (found == pending_.end()) return;
    Pending pending = std::move(found->second);
    pending_.erase(found);
    // What was given up before it was sent must not be carried out later.
    outgoing_.erase(
        std::remove_if(outgoing_.begin(), outgoing_.end(),
                       [id](const Outgoing& one) { return one.id == id; }),
        outgoing_.end());
    pending.done(Error(absl::StatusCode::kDeadlineExceeded,
                       reason::kDeadlineExceeded,
                       absl::StrCat("the launcher did not answer within ",
                                    absl::FormatDuration(deadline_))));
  }

  void Close() {
    if (!socket_.valid()) return;
    loop_->Unwatch(socket_.get());
    socket_.reset();
    outgoing_.clear();
    if (disconnect_ != nullptr) std::exchange(disconnect_, nullptr)();
    std::map<uint64_t, Pending> pending;
    pending.swap(pending_);
    for (auto& [unused, one] : pending) {
      loop_->Cancel(one.timer);
      one.done(Gone());
    }
  }

  EventLoop* const loop_;
  UniqueFd socket_;
  const absl::Duration deadline_;
  bool closed_by_owner_ = false;
  uint64_t next_id_ = 1;
  std::map<uint64_t, Pending> pending_;
  // Of pending_, those that the socket has not taken yet.
  std::deque<Outgoing> outgoing_;
  absl::AnyInvocable<void()> disconnect_;
};

LauncherClient::LauncherClient(EventLoop* loop, UniqueFd socket,
                               absl::Duration deadline)
    : loop_(loop),
      connection_(
          std::make_shared<Connection>(loop, std::move(socket), deadline)) {
  loop_->Post([connection = connection_] { connection->Start(); });
}

LauncherClient::~LauncherClient() {
  loop_->PostAndWait(
      [connection = connection_] { connection->CloseByOwner(); });
}

absl::StatusOr<UniqueFd> LauncherClient::InheritedSocket() {
  const char* const text = getenv(kLauncherFdVariable);
  int number;
  if (text == nullptr || !absl::SimpleAtoi(text, &number) || number < 3 ||
      fcntl(number, F_SETFD, FD_CLOEXEC) != 0) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 reason::kLauncherUnavailable,
                 absl::StrCat(kLauncherFdVariable,
                              " names no descriptor: the agent is to be "
                              "started by innkeeper-launcher"));
  }
  return UniqueFd(number);
}

void LauncherClient::Launch(LaunchPlan plan, Completion<Launched> done) {
  loop_->Post([connection = connection_, plan = std::move(plan),
               done = std::move(done)]() mutable {
    const absl::Status valid = ValidatePlan(plan);
    if (!valid.ok()) return done(valid);
    connection->Request(RequestType::kLaunch, EncodePlan(plan),
                        [done = std::move(done)](
                            absl::StatusOr<Connection::Reply> reply) mutable {
                          if (!reply.ok()) return done(reply.status());
                          absl::StatusOr<LaunchReply> body =
                              DecodeLaunchReply(reply->body);
                          if (!body.ok()) return done(body.status());
                          Launched launched;
                          launched.pid = body->pid;
                          launched.keeper_pid = body->keeper_pid;
                          launched.unix_uid = body->unix_uid;
                          launched.unix_gid = body->unix_gid;
                          launched.start_time_ticks = body->start_time_ticks;
                          launched.pidfd = std::move(reply->fd);
                          launched.taps = std::move(body->taps);
                          done(std::move(launched));
                        });
  });
}

void LauncherClient::OpenImage(absl::string_view pool, absl::string_view name,
                               Completion<UniqueFd> done) {
  loop_->Post([connection = connection_,
               payload =
                   EncodeImageRequest({std::string(pool), std::string(name)}),
               done = std::move(done)]() mutable {
    connection->Request(RequestType::kOpenImage, payload,
                        [done = std::move(done)](
                            absl::StatusOr<Connection::Reply> reply) mutable {
                          if (!reply.ok()) return done(reply.status());
                          done(std::move(reply->fd));
                        });
  });
}

void LauncherClient::Kill(absl::string_view guest, StatusCompletion done) {
  loop_->Post([connection = connection_, payload = EncodeGuestRequest(guest),
               done = std::move(done)]() mutable {
    connection->Request(RequestType::kKill, payload,
                        [done = std::move(done)](
                            absl::StatusOr<Connection::Reply> reply) mutable {
                          done(reply.status());
                        });
  });
}

void LauncherClient::Release(absl::string_view guest, StatusCompletion done) {
  loop_->Post([connection = connection_, payload = EncodeGuestRequest(guest),
               done = std::move(done)]() mutable {
    connection->Request(RequestType::kRelease, payload,
                        [done = std::move(done)](
                            absl::StatusOr<Connection::Reply> reply) mutable {
                          done(reply.status());
                        });
  });
}

void LauncherClient::Forget(absl::string_view uid, StatusCompletion done) {
  loop_->Post([connection = connection_, payload = EncodeGuestRequest(uid),
               done = std::move(done)]() mutable {
    connection->Request(RequestType::kForget, payload,
                        [done = std::move(done)](
                            absl::StatusOr<Connection::Reply> reply) mutable {
                          done(reply.status());
                        });
  });
}

void LauncherClient::List(Completion<std::vector<KnownGuest>> done) {
  loop_->Post([connection = connection_, done = std::move(done)]() mutable {
    ListAfter(connection, "", {}, std::move(done));
  });
}

void LauncherClient::ListAfter(std::shared_ptr<Connection> connection,
                               const std::string& after,
                               std::vector<KnownGuest> known,
                               Completion<std::vector<KnownGuest>> done) {
  connection->Request(
      RequestType::kList, EncodeGuestRequest(after),
      [connection, known = std::move(known), done = std::move(done)](
          absl::StatusOr<Connection::Reply> reply) mutable {
        if (!reply.ok()) return done(reply.status());
        absl::StatusOr<ListReply> body = DecodeListReply(reply->body);
        if (!body.ok()) return done(body.status());
        for (KnownGuest& guest : body->guests) {
          known.push_back(std::move(guest));
        }
        if (!body->more || body->guests.empty()) return done(std::move(known));
        const std::string last = known.back().guest;
        ListAfter(connection, last, std::move(known), std::move(done));
      });
}

void LauncherClient::InspectGuest(absl::string_view guest,
                                  Completion<GuestFacts> done) {
  loop_->Post([connection = connection_, payload = EncodeGuestRequest(guest),
               done = std::move(done)]() mutable {
    connection->Request(RequestType::kInspectGuest, payload,
                        [done = std::move(done)](
                            absl::StatusOr<Connection::Reply> reply) mutable {
                          if (!reply.ok()) return done(reply.status());
                          done(DecodeGuestFacts(reply->body));
                        });
  });
}

void LauncherClient::SetDisconnectHandler(absl::AnyInvocable<void()> handler) {
  loop_->Post(
      [connection = connection_, handler = std::move(handler)]() mutable {
        connection->SetDisconnectHandler(std::move(handler));
      });
}

void LauncherClient::Offer(Completion<ContextOffer> done) {
  loop_->Post([connection = connection_, done = std::move(done)]() mutable {
    connection->Request(RequestType::kOffer, "",
                        [done = std::move(done)](
                            absl::StatusOr<Connection::Reply> reply) mutable {
                          if (!reply.ok()) return done(reply.status());
                          done(DecodeOffer(reply->body));
                        });
  });
}

void LauncherClient::Hello(Completion<HelloReply> done) {
  loop_->Post([connection = connection_, done = std::move(done)]() mutable {
    connection->Request(RequestType::kHello, "",
                        [done = std::move(done)](
                            absl::StatusOr<Connection::Reply> reply) mutable {
                          if (!reply.ok()) return done(reply.status());
                          done(DecodeHelloReply(reply->body));
                        });
  });
}

void LauncherClient::ListVolumes(size_t limit,
                                 Completion<std::vector<PoolVolume>> done) {
  loop_->Post(
      [connection = connection_, limit, done = std::move(done)]() mutable {
        ListVolumesAfter(connection, "", limit, {}, std::move(done));
      });
}

void LauncherClient::ListVolumesAfter(
    std::shared_ptr<Connection> connection, std::string after, size_t limit,
    std::vector<PoolVolume> known, Completion<std::vector<PoolVolume>> done) {
  connection->Request(
      RequestType::kListVolumes, EncodeGuestRequest(after),
      [connection, limit, known = std::move(known), done = std::move(done)](
          absl::StatusOr<Connection::Reply> reply) mutable {
        if (!reply.ok()) return done(reply.status());
        absl::StatusOr<VolumesReply> body = DecodeVolumesReply(reply->body);
        if (!body.ok()) return done(body.status());
        for (PoolVolume& volume : body->volumes) {
          known.push_back(std::move(volume));
        }
        if (!body->more || body->volumes.empty() || known.size() >= limit) {
          return done(std::move(known));
        }
        std::string last = VolumeKey(known.back());
        ListVolumesAfter(connection, std::move(last), limit, std::move(known),
                         std::move(done));
      });
}

void LauncherClient::Inspect(int64_t pid, Completion<InspectReply> done) {
  loop_->Post([connection = connection_, pid,
               done = std::move(done)]() mutable {
    connection->Request(RequestType::kInspect, EncodeInspectRequest(pid),
                        [done = std::move(done)](
                            absl::StatusOr<Connection::Reply> reply) mutable {
                          if (!reply.ok()) return done(reply.status());
                          done(DecodeInspectReply(reply->body));
                        });
  });
}

}  // namespace innkeeper
