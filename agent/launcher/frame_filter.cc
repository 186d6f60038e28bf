#include "agent/launcher/frame_filter.h"

#include <arpa/inet.h>
#include <endian.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/file.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr int kNftPatienceMillis = 10000;
constexpr size_t kMaxNftOutput = 4096;

// ARP: RFC 826 for Ethernet and IPv4. A guest with declared addresses may probe
// (RFC 5227) for its own only, so that it cannot keep others from theirs.
//
// IPv4 and IPv6: the ports of DHCP servers and those at which clients listen; a
// guest is neither the one, nor has it anything to say to the other. Router
// advertisements and redirects come from link-local addresses, and are not seen
// in fragments: these may begin with anything (RFC 7113).
//
// targets6 are addresses6 once more, for the field of neighbour discovery that
// nft 1.0.6 has no name for.
constexpr char kTable[] = R"(
table bridge TABLE {
  set taps { type ifname; TAPS }
  set bound { type ifname; BOUND }
  set macs { type ifname . ether_addr; MACS }
  set addresses4 { type ifname . ipv4_addr; ADDRESSES4 }
  set addresses6 { type ifname . ipv6_addr; ADDRESSES6 }
  set targets6 { typeof iifname . @th,64,128; TARGETS6 }
  chain from_guests {
    type filter hook prerouting priority -300; policy accept;
    iifname @taps jump guest
  }
  chain guest {
    ether type { 8021q, 8021ad } drop
    iifname . ether saddr != @macs drop
    ether type arp goto check_arp
    ether type ip goto check_ip4
    ether type ip6 goto check_ip6
    drop
  }
  chain check_arp {
    arp htype != 1 drop
    arp ptype != 0x0800 drop
    arp hlen != 6 drop
    arp plen != 4 drop
    iifname . arp saddr ether != @macs drop
    iifname != @bound accept
    iifname . arp saddr ip @addresses4 accept
    arp saddr ip 0.0.0.0 iifname . arp daddr ip @addresses4 accept
    drop
  }
  chain check_ip4 {
    udp sport 67 drop
    udp dport 68 drop
    iifname != @bound accept
    ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
    iifname . ip saddr @addresses4 accept
    drop
  }
  chain check_probe6 {
    iifname . @th,64,128 @targets6 accept
    drop
  }
  chain check_ip6 {
    icmpv6 type { nd-router-advert, nd-redirect } drop
    udp sport 547 drop
    udp dport 546 drop
    ip6 saddr fe80::/10 exthdr frag exists drop
    iifname != @bound accept
    icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @targets6 drop
    ip6 saddr :: icmpv6 type nd-neighbor-solicit goto check_probe6
    iifname . ip6 saddr @addresses6 accept
    drop
  }
}
)";

// A key of a set: its text for nft(8) and its bytes for the kernel.
struct Key {
  std::string text;
  std::string bytes;
};

// By set.
using Keys = std::map<std::string, std::vector<Key>>;

// Each part of a concatenation is padded to whole words.
std::string Padded(absl::string_view bytes) {
  std::string padded(bytes);
  padded.resize((padded.size() + 3) / 4 * 4);
  return padded;
}

Key KeyOf(const std::string& device, absl::string_view text,
          absl::string_view bytes) {
  std::string name = device;
  name.resize(IFNAMSIZ);
  if (text.empty()) return {absl::StrCat("\"", device, "\""), name};
  return {absl::StrCat("\"", device, "\" . ", text), name + Padded(bytes)};
}

void AddAddress(const std::string& device, const std::string& address,
                Keys& keys) {
  const std::string text = FormatIp(address);
  if (address.size() == 4) {
    keys["addresses4"].push_back(KeyOf(device, text, address));
    return;
  }
  keys["addresses6"].push_back(KeyOf(device, text, address));
  keys["targets6"].push_back(KeyOf(
      device, absl::StrCat("0x", absl::BytesToHexString(address)), address));
}

Keys KeysOf(const std::vector<JournalTap>& taps) {
  Keys keys;
  for (const JournalTap& tap : taps) {
    keys["macs"].push_back(
        KeyOf(tap.device, FormatMac(tap.mac),
              absl::string_view(reinterpret_cast<const char*>(tap.mac.data()),
                                tap.mac.size())));
    bool v6 = false;
    const std::string link_local = LinkLocalOf(tap.mac);
    for (const std::string& address : tap.addresses) {
      // It may be declared, too; no set takes a key twice.
      if (address == link_local) continue;
      v6 = v6 || address.size() != 4;
      AddAddress(tap.device, address, keys);
    }
    // Without it an interface cannot find its neighbours.
    if (v6) AddAddress(tap.device, link_local, keys);
    if (!tap.addresses.empty()) {
      keys["bound"].push_back(KeyOf(tap.device, "", ""));
    }
    keys["taps"].push_back(KeyOf(tap.device, "", ""));
  }
  return keys;
}

std::string ElementsOf(const Keys& keys, const std::string& set) {
  const auto found = keys.find(set);
  if (found == keys.end()) return "";
  return absl::StrCat("elements = { ",
                      absl::StrJoin(found->second, ", ",
                                    [](std::string* out, const Key& key) {
                                      absl::StrAppend(out, key.text);
                                    }),
                      " }");
}

void PutNfHeader(uint8_t family, uint16_t resource, NetlinkRequest& request) {
  nfgenmsg* const header = request.Extra<nfgenmsg>();
  header->nfgen_family = family;
  header->version = NFNETLINK_V0;
  header->res_id = htons(resource);
}

// Several changes that are made all at once or not at all.
class Batch {
 public:
  Batch() { PutEnd(NFNL_MSG_BATCH_BEGIN); }

  // `operation` is NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM.
  void Elements(uint16_t operation, const std::string& table,
                const std::string& set, const std::vector<Key>& keys) {
    nlmsghdr* const message = Change(operation);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table.c_str());
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set.c_str());
    nlattr* const list =
        mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    for (const Key& key : keys) {
      nlattr* const element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
      nlattr* const value = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
      mnl_attr_put(message, NFTA_DATA_VALUE, key.bytes.size(),
                   key.bytes.data());
      mnl_attr_nest_end(message, value);
      mnl_attr_nest_end(message, element);
    }
    mnl_attr_nest_end(message, list);
  }
  void Table(uint16_t operation, const std::string& table) {
    mnl_attr_put_strz(Change(operation), NFTA_TABLE_NAME, table.c_str());
  }

  absl::Status Commit(Netlink& netlink) {
    PutEnd(NFNL_MSG_BATCH_END);
    return netlink.Ask(request_, changes_, "change the filter of guests");
  }

 private:
  nlmsghdr* Change(uint16_t operation) {
    uint16_t flags = NLM_F_ACK;
    if (operation == NFT_MSG_NEWSETELEM) flags |= NLM_F_CREATE;
    nlmsghdr* const message = request_.Add(
        static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | operation), flags);
    PutNfHeader(NFPROTO_BRIDGE, 0, request_);
    ++changes_;
    return message;
  }
  void PutEnd(uint16_t type) {
    request_.Add(type, 0);
    PutNfHeader(AF_UNSPEC, NFNL_SUBSYS_NFTABLES, request_);
  }

  NetlinkRequest request_;
  int changes_ = 0;
};

// Of a table's attributes. `handle` is a uint64_t.
int FindHandle(const nlattr* attribute, void* handle) {
  if (mnl_attr_get_type(attribute) == NFTA_TABLE_HANDLE &&
      mnl_attr_validate(attribute, MNL_TYPE_U64) == 0) {
    *static_cast<uint64_t*>(handle) = be64toh(mnl_attr_get_u64(attribute));
  }
  return MNL_CB_OK;
}

// Waits for `pid` and takes it away; whether it ended well.
bool AwaitEnd(pid_t pid) {
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  pollfd waiting = {pidfd.get(), POLLIN, 0};
  if (!pidfd.valid() || poll(&waiting, 1, kNftPatienceMillis) != 1) {
    kill(pid, SIGKILL);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

absl::StatusOr<UniqueFd> MemoryFile(absl::string_view content) {
  UniqueFd fd(memfd_create("nft", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, "make a file for nft");
  RETURN_IF_ERROR(WriteAll(fd.get(), content));
  if (lseek(fd.get(), 0, SEEK_SET) != 0) return ErrnoError(errno, "lseek");
  return fd;
}

absl::Status RunNft(const std::string& nft, absl::string_view text) {
  ASSIGN_OR_RETURN(const UniqueFd input, MemoryFile(text));
  ASSIGN_OR_RETURN(const UniqueFd output, MemoryFile(""));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.get(), STDERR_FILENO);
  std::string name = nft;
  std::string option = "-f";
  std::string standard_input = "-";
  char* const argv[] = {name.data(), option.data(), standard_input.data(),
                        nullptr};
  char* const environment[] = {nullptr};
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, nft.c_str(), &actions, nullptr, argv, environment);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoError(error, absl::StrCat("run ", nft));
  if (AwaitEnd(pid)) return absl::OkStatus();
  lseek(output.get(), 0, SEEK_SET);
  std::string said(kMaxNftOutput, '\0');
  const ssize_t got = read(output.get(), said.data(), said.size());
  said.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return Error(absl::StatusCode::kInternal, reason::kSystemError,
               absl::StrCat(nft, " did not take the filter of guests: ",
                            absl::StripAsciiWhitespace(said)));
}

}  // namespace

std::string FilterText(const std::string& table,
                       const std::vector<JournalTap>& taps) {
  const Keys keys = KeysOf(taps);
  // To delete a table that is not there would be an error: it is made first.
  return absl::StrCat(
      "add table bridge ", table, "\ndelete table bridge ", table,
      absl::StrReplaceAll(kTable,
                          {{"TABLE", table},
                           {"TAPS", ElementsOf(keys, "taps")},
                           {"BOUND", ElementsOf(keys, "bound")},
                           {"MACS", ElementsOf(keys, "macs")},
                           {"ADDRESSES4", ElementsOf(keys, "addresses4")},
                           {"ADDRESSES6", ElementsOf(keys, "addresses6")},
                           {"TARGETS6", ElementsOf(keys, "targets6")}}));
}

absl::StatusOr<FrameFilter> FrameFilter::Open(std::string nft,
                                              std::string table) {
  ASSIGN_OR_RETURN(std::unique_ptr<Netlink> netlink,
                   Netlink::Open(NETLINK_NETFILTER));
  return FrameFilter(std::move(nft), std::move(table), std::move(netlink));
}

absl::Status FrameFilter::Load(const std::vector<JournalTap>& taps) {
  ASSIGN_OR_RETURN(const uint64_t before, Handle());
  RETURN_IF_ERROR(RunNft(nft_, FilterText(table_, taps)));
  ASSIGN_OR_RETURN(const uint64_t now, Handle());
  if (now != 0 && now != before) return absl::OkStatus();
  // SELinux gives a program /dev/null in place of what it may not read.
  return Error(absl::StatusCode::kInternal, reason::kSystemError,
               absl::StrCat(nft_,
                            " ended well and put no filter of guests in "
                            "place; see whether SELinux keeps it from reading "
                            "its standard input (ausearch -m avc -c nft)"));
}

absl::StatusOr<uint64_t> FrameFilter::Handle() {
  NetlinkRequest request;
  nlmsghdr* const message = request.Add(
      static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE), 0);
  PutNfHeader(NFPROTO_BRIDGE, 0, request);
  mnl_attr_put_strz(message, NFTA_TABLE_NAME, table_.c_str());
  std::string found;
  const absl::Status asked =
      netlink_->Ask(request, 1, "look for the filter of guests", &found);
  if (absl::IsNotFound(asked)) return uint64_t{0};
  RETURN_IF_ERROR(asked);
  const auto* const table = reinterpret_cast<const nlmsghdr*>(found.data());
  uint64_t handle = 0;
  mnl_attr_parse(table, sizeof(nfgenmsg), FindHandle, &handle);
  return handle;
}

absl::Status FrameFilter::Add(const std::vector<JournalTap>& taps) {
  Batch batch;
  for (const auto& [set, keys] : KeysOf(taps)) {
    batch.Elements(NFT_MSG_NEWSETELEM, table_, set, keys);
  }
  return batch.Commit(*netlink_);
}

absl::Status FrameFilter::Remove(const std::vector<JournalTap>& taps) {
  const Keys all = KeysOf(taps);
  Batch batch;
  for (const auto& [set, keys] : all) {
    batch.Elements(NFT_MSG_DELSETELEM, table_, set, keys);
  }
  absl::Status removed = batch.Commit(*netlink_);
  if (!absl::IsNotFound(removed)) return removed;
  // One that is not there undoes the whole batch: each by itself, then.
  for (const auto& [set, keys] : all) {
    for (const Key& key : keys) {
      Batch one;
      one.Elements(NFT_MSG_DELSETELEM, table_, set, {key});
      absl::Status status = one.Commit(*netlink_);
      if (!status.ok() && !absl::IsNotFound(status)) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status FrameFilter::RemoveTable() {
  Batch batch;
  batch.Table(NFT_MSG_DELTABLE, table_);
  const absl::Status status = batch.Commit(*netlink_);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace innkeeper
