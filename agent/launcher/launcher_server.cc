#include "agent/launcher/launcher_server.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/launcher/guest_facts_codec.h"
#include "agent/launcher/proc.h"
#include "agent/launcher/protocol.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kStopPatience = absl::Seconds(10);
// An agent that does not read its answers for this long is broken.
constexpr int kReplyPatienceMillis = 5000;

template <typename T>
Answer Failed(const absl::StatusOr<T>& result) {
  Answer answer;
  answer.status = result.status();
  return answer;
}

Answer Done(absl::Status status) {
  Answer answer;
  answer.status = std::move(status);
  return answer;
}

absl::StatusOr<UniqueFd> WatchSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD}) {
    sigaddset(&signals, number);
  }
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) {
    return ErrnoError(errno, "sigprocmask");
  }
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoError(errno, "signalfd");
  return fd;
}

}  // namespace

absl::Status LauncherServer::Run() {
  absl::StatusOr<UniqueFd> signals = WatchSignals();
  if (!signals.ok()) return signals.status();
  while (true) {
    absl::Time now = absl::Now();
    if (agent_.pid() == 0 && now >= agent_.next_start()) {
      const absl::Status started = agent_.Start(now);
      if (!started.ok()) {
        LogError("agent.not_started", {{"error", started.message()}});
        agent_.Ended(now);
      }
    }
    guests_.MakeAhead();
    int timeout = -1;
    if (agent_.pid() == 0) {
      timeout = static_cast<int>(absl::ToInt64Milliseconds(
          std::clamp(agent_.next_start() - now, absl::Milliseconds(1),
                     absl::Seconds(10))));
    }
    // poll(2) passes over negative descriptors.
    pollfd waiting[] = {{signals->get(), POLLIN, 0},
                        {agent_.socket(), POLLIN, 0}};
    if (poll(waiting, 2, timeout) < 0) {
      if (errno == EINTR) continue;
      return ErrnoError(errno, "poll");
    }
    // First, so that a zombie does not count as a process with its uid.
    if (waiting[0].revents != 0 && !HandleSignals(signals->get())) break;
    if (waiting[1].revents != 0 && agent_.pid() != 0) HandleDatagram();
  }
  StopAgent();
  return absl::OkStatus();
}

bool LauncherServer::HandleSignals(int signal_fd) {
  bool go_on = true;
  signalfd_siginfo info;
  while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo != SIGCHLD) go_on = false;
  }
  ReapChildren();
  return go_on;
}

void LauncherServer::ReapChildren() {
  int status;
  pid_t pid;
  // Keepers are children, too, as long as the launcher that made them lives.
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid != agent_.pid()) continue;
    LogWarning("agent.ended", {{"pid", pid}, {"status", status}});
    agent_.Ended(absl::Now());
  }
}

void LauncherServer::DropAgent(absl::string_view why) {
  LogWarning("agent.dropped", {{"why", why}});
  agent_.CloseSocket();
  agent_.Signal(SIGKILL);
}

void LauncherServer::StopAgent() {
  agent_.Signal(SIGTERM);
  const absl::Time deadline = absl::Now() + kStopPatience;
  while (agent_.pid() != 0) {
    if (absl::Now() > deadline) agent_.Signal(SIGKILL);
    ReapChildren();
    if (agent_.pid() != 0) absl::SleepFor(absl::Milliseconds(10));
  }
}

void LauncherServer::HandleDatagram() {
  // One more than allowed, so that a longer datagram shows as too long. There
  // is no room for descriptors: the kernel drops those that are sent.
  static char buffer[kMaxMessageBytes + 1];
  const ssize_t got =
      recv(agent_.socket(), buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return DropAgent("it left its socket");
  const absl::StatusOr<Message> message = DecodeMessage(absl::string_view(
      buffer, std::min(static_cast<size_t>(got), sizeof(buffer))));
  if (!message.ok()) {
    return Reply(Message(), Done(message.status()));
  }
  Reply(*message, Handle(*message));
}

Answer LauncherServer::Handle(const Message& message) {
  Answer answer;
  switch (static_cast<RequestType>(message.type)) {
    case RequestType::kHello:
      if (!message.payload.empty()) break;
      answer.body = EncodeHelloReply({config_.instance, config_.run_dir,
                                      guests_.pools().pools(),
                                      guests_.Networks(), guests_.Features()});
      return answer;
    case RequestType::kOffer:
      if (!message.payload.empty()) break;
      answer.body = EncodeOffer(guests_.Offer());
      return answer;
    case RequestType::kLaunch:
      return HandleLaunch(message.payload);
    case RequestType::kOpenImage:
      return HandleOpenImage(message.payload);
    case RequestType::kKill: {
      const auto guest = DecodeGuestRequest(message.payload);
      return guest.ok() ? Done(guests_.Kill(*guest)) : Failed(guest);
    }
    case RequestType::kRelease: {
      const auto guest = DecodeGuestRequest(message.payload);
      return guest.ok() ? Done(guests_.Release(*guest)) : Failed(guest);
    }
    case RequestType::kForget: {
      const auto uid = DecodeGuestRequest(message.payload);
      return uid.ok() ? Done(guests_.Forget(*uid)) : Failed(uid);
    }
    case RequestType::kList: {
      const auto after = DecodeGuestRequest(message.payload);
      if (!after.ok()) return Failed(after);
      answer.body = EncodeListReply(guests_.List(*after));
      return answer;
    }
    case RequestType::kListVolumes: {
      const auto after = DecodeGuestRequest(message.payload);
      if (!after.ok()) return Failed(after);
      answer.body = EncodeVolumesReply(guests_.pools().BlockVolumes(*after));
      return answer;
    }
    case RequestType::kInspectGuest: {
      const auto guest = DecodeGuestRequest(message.payload);
      if (!guest.ok()) return Failed(guest);
      const absl::StatusOr<GuestFacts> facts = guests_.Inspect(*guest);
      if (!facts.ok()) return Failed(facts);
      answer.body = EncodeGuestFacts(*facts);
      return answer;
    }
    case RequestType::kInspect: {
      const auto pid = DecodeInspectRequest(message.payload);
      if (!pid.ok()) return Failed(pid);
      const absl::StatusOr<InspectReply> reply = Inspect(*pid);
      if (!reply.ok()) return Failed(reply);
      answer.body = EncodeInspectReply(*reply);
      return answer;
    }
  }
  return Done(Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                    absl::StrCat("unknown request ", message.type)));
}

Answer LauncherServer::HandleLaunch(absl::string_view payload) {
  const absl::StatusOr<LaunchPlan> plan = DecodePlan(payload);
  if (!plan.ok()) return Failed(plan);
  absl::StatusOr<Launched> launched = guests_.Launch(*plan);
  if (!launched.ok()) {
    LogWarning("launch.failed", {{"guest", plan->guest},
                                 {"error", launched.status().message()}});
    return Failed(launched);
  }
  LogInfo("launch.done", {{"guest", plan->guest},
                          {"pid", launched->pid},
                          {"uid", launched->unix_uid}});
  Answer answer;
  answer.body = EncodeLaunchReply({launched->pid, launched->keeper_pid,
                                   launched->unix_uid, launched->unix_gid,
                                   launched->start_time_ticks, launched->taps});
  answer.fd = std::move(launched->pidfd);
  return answer;
}

Answer LauncherServer::HandleOpenImage(absl::string_view payload) {
  const absl::StatusOr<ImageRequest> request = DecodeImageRequest(payload);
  if (!request.ok()) return Failed(request);
  absl::StatusOr<UniqueFd> fd = guests_.OpenImage(request->pool, request->name);
  if (!fd.ok()) return Failed(fd);
  Answer answer;
  answer.fd = *std::move(fd);
  return answer;
}

void LauncherServer::Reply(const Message& message, const Answer& answer) {
  std::string datagram =
      EncodeMessage(message.type | kReplyBit, message.request_id,
                    EncodeReply(answer.status, answer.body));
  iovec part = {datagram.data(), datagram.size()};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (answer.fd.valid()) {
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = answer.fd.get();
    memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
  }
  while (sendmsg(agent_.socket(), &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    pollfd waiting = {agent_.socket(), POLLOUT, 0};
    if (errno != EAGAIN || poll(&waiting, 1, kReplyPatienceMillis) == 0) {
      return DropAgent("it does not read its answers");
    }
  }
}

}  // namespace innkeeper
