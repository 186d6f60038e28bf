// What agent and launcher say to each other over a SOCK_SEQPACKET socketpair.
//
// One datagram is one message: a header {u32 magic, u32 type, u32 length of the
// payload, u64 request id} and the payload. The agent asks; the launcher
// answers each request once, in order, with the request's type and id and
// kReplyBit. A reply's payload begins with a status; what follows is there only
// if that is OK. Descriptors travel only in replies, by SCM_RIGHTS.
#ifndef INNKEEPER_AGENT_LAUNCHER_PROTOCOL_H_
#define INNKEEPER_AGENT_LAUNCHER_PROTOCOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/launch_plan.h"
#include "agent/launch/spawner.h"
#include "agent/launcher/volume_list.h"

namespace innkeeper {

// Changes with every change of the messages below: agent and launcher come from
// one package, so another version is refused, not understood.
inline constexpr uint32_t kProtocolMagic = 0x35304b49;  // "IK05"
inline constexpr size_t kMaxMessageBytes = size_t{64} * 1024;
inline constexpr size_t kMessageHeaderBytes = 20;
inline constexpr uint32_t kReplyBit = 0x80000000;
// The agent finds its end of the socketpair here.
inline constexpr int kLauncherFdNumber = 3;
inline constexpr char kLauncherFdVariable[] = "INNKEEPER_LAUNCHER_FD";

enum class RequestType : uint32_t {
  kHello = 1,
  kLaunch = 2,
  kOpenImage = 3,
  kKill = 4,
  kRelease = 5,
  kList = 6,
  kInspect = 7,
  kListVolumes = 8,
  kInspectGuest = 20,
  kOffer = 30,
  kForget = 31,
};

struct Message {
  uint32_t type = 0;
  uint64_t request_id = 0;
  absl::string_view payload;  // Points into the datagram.
};

struct ImageRequest {
  std::string pool;
  std::string name;
};

// A network that guests may be on.
struct KnownNetwork {
  std::string name;
  bool isolated = false;  // Guests on it cannot reach each other.
  bool declared = false;  // Its guests must say which addresses they have.
};

struct HelloReply {
  std::string instance;
  std::string run_dir;
  std::vector<PoolInfo> pools;
  std::vector<KnownNetwork> networks = {};  // By name.
  // What guests may have here besides, as in Host.features.
  std::vector<std::string> features = {};
};

struct LaunchReply {  // One descriptor: QEMU's pidfd.
  int64_t pid = 0;
  int64_t keeper_pid = 0;
  uint32_t unix_uid = 0;
  uint32_t unix_gid = 0;
  uint64_t start_time_ticks = 0;
  std::vector<std::string> taps = {};
};

// As many guests as fit; `more` says that the next ListRequest, with the last
// one's id, will give others.
struct ListReply {
  std::vector<KnownGuest> guests;
  bool more = false;
};

// What an unprivileged agent may not read of another uid's process.
struct InspectReply {
  std::string exe;
  uint64_t start_time_ticks = 0;
  std::array<uint32_t, 4> uids = {};  // Real, effective, saved, file system.
  std::array<uint32_t, 4> gids = {};
  // Inodes of cgroup, ipc, mnt, net, pid, user, uts.
  std::array<uint64_t, 7> namespaces = {};
};

inline constexpr const char* kNamespaceNames[7] = {
    "cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};

// A whole datagram.
std::string EncodeMessage(uint32_t type, uint64_t request_id,
                          absl::string_view payload);

// Input to every function below: untrusted. INVALID_ARGUMENT (INVALID_REQUEST)
// if the bytes are not exactly one well-formed value.
absl::StatusOr<Message> DecodeMessage(absl::string_view datagram);

std::string EncodePlan(const LaunchPlan& plan);
absl::StatusOr<LaunchPlan> DecodePlan(absl::string_view payload);

std::string EncodeImageRequest(const ImageRequest& request);
absl::StatusOr<ImageRequest> DecodeImageRequest(absl::string_view payload);

// Kill, Release and InspectGuest: a guest; Forget: its uid; List: the id after
// which to begin, or ""; ListVolumes: the same for the key of a volume.
std::string EncodeGuestRequest(absl::string_view guest);
absl::StatusOr<std::string> DecodeGuestRequest(absl::string_view payload);

std::string EncodeInspectRequest(int64_t pid);
absl::StatusOr<int64_t> DecodeInspectRequest(absl::string_view payload);

// The payload of a reply: `status`, then `body` if it is OK.
std::string EncodeReply(const absl::Status& status, absl::string_view body);
// Takes the status off `payload`, which then holds the body. An error that the
// launcher answered comes back as it was, with reason and metadata.
absl::Status DecodeReply(absl::string_view& payload);

std::string EncodeHelloReply(const HelloReply& reply);
absl::StatusOr<HelloReply> DecodeHelloReply(absl::string_view body);
std::string EncodeLaunchReply(const LaunchReply& reply);
absl::StatusOr<LaunchReply> DecodeLaunchReply(absl::string_view body);
// Encodes the guests from `guests` that fit into one message; the rest is
// `more`.
std::string EncodeListReply(const std::vector<KnownGuest>& guests);
absl::StatusOr<ListReply> DecodeListReply(absl::string_view body);
std::string EncodeInspectReply(const InspectReply& reply);
absl::StatusOr<InspectReply> DecodeInspectReply(absl::string_view body);
std::string EncodeOffer(const ContextOffer& offer);
absl::StatusOr<ContextOffer> DecodeOffer(absl::string_view body);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_PROTOCOL_H_
