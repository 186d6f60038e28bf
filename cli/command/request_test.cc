// Which request comes out of which arguments, for every command that sends one.

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "cli/testing/fake_service.h"
#include "cli/testing/inn_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kId[] = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

struct Row {
  std::vector<std::string> arguments;
  std::string request;
};

// The service answers UNIMPLEMENTED, so that the first request is the only one.
class RequestTest : public testing::TestWithParam<Row> {};

TEST_P(RequestTest, ArgumentsBecomeThisRequest) {
  FakeService service;
  InnRun inn;
  inn.variables = {{"INN_ADDRESS", service.address()}};
  EXPECT_EQ(inn.Run(GetParam().arguments), 1) << inn.err;
  EXPECT_THAT(service.requests(), ElementsAre(GetParam().request))
      << absl::StrJoin(GetParam().arguments, " ") << "\n"
      << inn.err;
}

INSTANTIATE_TEST_SUITE_P(
    Launch, RequestTest,
    testing::Values(
        Row{{"launch", "web", "--request-id", kId},
            "LaunchGuestRequest { guest_id: \"web\" guest { spec { vcpu_count: "
            "1 memory_bytes: 536870912 } } request_id: "
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" }"},
        Row{{"launch",       "guests/web",
             "--owner",      "tenant-a",
             "--host",       "h1",
             "--vcpus",      "4",
             "--memory",     "2G",
             "--machine",    "microvm",
             "--accel",      "tcg",
             "--disk",       "main/root.raw",
             "--disk",       "main/data.qcow2,mode=ro",
             "--disk",       "main/tmp,format=qcow2,mode=ephemeral",
             "--kernel",     "main/vmlinuz",
             "--initrd",     "pools/main/volumes/initrd",
             "--append",     "console=ttyS0 -- \"quoted\"",
             "--label",      "tier=web",
             "--host-label", "zone=b",
             "--firmware",   "uefi",
             "--paused",     "--dry-run",
             "--request-id", kId},
            "LaunchGuestRequest { guest_id: \"web\" guest { owner: "
            "\"user/tenant-a\" labels { key: \"tier\" value: \"web\" } spec { "
            "machine: MICROVM acceleration: TCG vcpu_count: 4 memory_bytes: "
            "2147483648 disks { volume: \"pools/main/volumes/root.raw\" "
            "format: RAW mode: READ_WRITE } disks { volume: "
            "\"pools/main/volumes/data.qcow2\" format: QCOW2 mode: READ_ONLY } "
            "disks { volume: \"pools/main/volumes/tmp\" format: QCOW2 mode: "
            "EPHEMERAL } kernel: \"pools/main/volumes/vmlinuz\" initrd: "
            "\"pools/main/volumes/initrd\" kernel_command_line: "
            "\"console=ttyS0 -- \\\"quoted\\\"\" start_paused: true firmware: "
            "UEFI } } host: "
            "\"hosts/h1\" host_labels { key: \"zone\" value: \"b\" } "
            "request_id: \"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" "
            "validate_only: true }"},
        Row{{"launch", "x", "--network", "lan", "--network",
             ("networks/wan,mac=52:54:00:12:34:56,model=e1000e,queues=2,"
              "address=192.0.2.7,address=2001:db8::7"),
             "--request-id", kId},
            "LaunchGuestRequest { guest_id: \"x\" guest { spec { vcpu_count: 1 "
            "memory_bytes: 536870912 networks { network: \"networks/lan\" } "
            "networks { network: \"networks/wan\" mac_address: "
            "\"52:54:00:12:34:56\" model: E1000E queue_count: 2 addresses: "
            "\"192.0.2.7\" addresses: \"2001:db8::7\" } } } request_id: "
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" }"},
        Row{{"launch", "x", "--disk",
             "main/top.qcow2,backing=main/mid:qcow2,backing=other/base",
             "--disk", "main/cd.iso,device=cdrom", "--disk",
             "main/a,backing=main/b.qcow2,backing=main/c.qcow2:raw,device=disk",
             "--request-id", kId},
            "LaunchGuestRequest { guest_id: \"x\" guest { spec { vcpu_count: 1 "
            "memory_bytes: 536870912 disks { volume: "
            "\"pools/main/volumes/top.qcow2\" format: QCOW2 mode: READ_WRITE "
            "backing { volume: \"pools/main/volumes/mid\" format: QCOW2 } "
            "backing { volume: \"pools/other/volumes/base\" format: RAW } } "
            "disks { volume: \"pools/main/volumes/cd.iso\" format: RAW mode: "
            "READ_ONLY device: CDROM } disks { volume: "
            "\"pools/main/volumes/a\" format: RAW mode: READ_WRITE backing { "
            "volume: \"pools/main/volumes/b.qcow2\" format: QCOW2 } backing { "
            "volume: \"pools/main/volumes/c.qcow2\" format: RAW } device: DISK "
            "} } } request_id: \"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" }"},
        Row{{"launch", "x", "--append", "-dashes-", "--accel=kvm",
             "--request-id", kId},
            "LaunchGuestRequest { guest_id: \"x\" guest { spec { acceleration: "
            "KVM vcpu_count: 1 memory_bytes: 536870912 kernel_command_line: "
            "\"-dashes-\" } } request_id: "
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" }"},
        Row{{"explain", "web", "--host", "hosts/h1"},
            "ExplainLaunchRequest { launch { guest_id: \"web\" guest { spec { "
            "vcpu_count: 1 memory_bytes: 536870912 } } host: \"hosts/h1\" } "
            "}"}));

INSTANTIATE_TEST_SUITE_P(
    Guests, RequestTest,
    testing::Values(
        Row{{"show", "web"}, "GetGuestRequest { name: \"guests/web\" }"},
        // A guest may be called like a command.
        Row{{"show", "list"}, "GetGuestRequest { name: \"guests/list\" }"},
        Row{{"start", "guests/web", "--request-id", kId, "--etag", "e1"},
            "StartGuestRequest { name: \"guests/web\" etag: \"e1\" request_id: "
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" }"},
        Row{{"stop", "web", "--request-id", kId, "--force"},
            "StopGuestRequest { name: \"guests/web\" request_id: "
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" force: true }"},
        Row{{"stop", "web", "--request-id", kId, "--grace", "1500ms"},
            "StopGuestRequest { name: \"guests/web\" request_id: "
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" grace_period { seconds: "
            "1 nanos: 500000000 } }"},
        Row{{"reboot", "web", "--request-id", kId},
            "RebootGuestRequest { name: \"guests/web\" request_id: "
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" }"},
        Row{{"pause", "web", "--request-id", kId},
            "PauseGuestRequest { name: \"guests/web\" request_id: "
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" }"},
        Row{{"resume", "web", "--request-id", kId},
            "ResumeGuestRequest { name: \"guests/web\" request_id: "
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" }"},
        Row{{"delete", "web", "--yes", "--allow-missing", "--request-id", kId},
            "DeleteGuestRequest { name: \"guests/web\" request_id: "
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" allow_missing: true }"},
        Row{{"list"}, "ListGuestsRequest { view: BASIC }"},
        Row{{"ls", "--owner", "tenant-a", "--host", "h1", "--filter",
             "state = RUNNING OR stale = true", "--sort-by", "owner,name desc",
             "-o", "wide"},
            "ListGuestsRequest { filter: \"(state = RUNNING OR stale = true) "
            "AND owner = \\\"user/tenant-a\\\" AND host = \\\"hosts/h1\\\"\" "
            "order_by: \"owner,name desc\" view: FULL }"},
        Row{{"list", "--watch", "--host", "h1", "--full"},
            "WatchGuestsRequest { filter: \"host = \\\"hosts/h1\\\"\" view: "
            "FULL }"},
        Row{{"wait", "web", "--for", "stopped"},
            "WatchGuestsRequest { filter: \"name = \\\"guests/web\\\"\" }"}));

INSTANTIATE_TEST_SUITE_P(
    Others, RequestTest,
    testing::Values(
        Row{{"events"},
            "WatchEventsRequest { from_oldest: true until_now: true }"},
        Row{{"events", "--follow"}, "WatchEventsRequest { }"},
        Row{{"events", "--follow", "--since", "oldest", "--filter", "x = 1"},
            "WatchEventsRequest { from_oldest: true filter: \"x = 1\" }"},
        Row{{"events", "--resume", "t0k"},
            "WatchEventsRequest { resume_token: \"t0k\" until_now: true }"},
        Row{{"host", "list", "--filter", "state = UP", "--sort-by", "name"},
            "ListHostsRequest { filter: \"state = UP\" order_by: \"name\" }"},
        Row{{"host", "show", "h1"}, "GetHostRequest { name: \"hosts/h1\" }"},
        Row{{"host", "cordon", "h1"},
            "CordonHostRequest { name: \"hosts/h1\" }"},
        Row{{"host", "uncordon", "hosts/h1"},
            "UncordonHostRequest { name: \"hosts/h1\" }"},
        Row{{"host", "remove", "h1", "--force"},
            "RemoveHostRequest { name: \"hosts/h1\" force: true }"},
        Row{{"host", "token", "h3", "--valid-for", "10m"},
            "CreateEnrolmentTokenRequest { host_id: \"h3\" valid_for { "
            "seconds: 600 } }"},
        Row{{"op", "list", "--filter", "done = false"},
            "ListOperationsRequest { filter: \"done = false\" name: "
            "\"operations\" }"},
        Row{{"op", "show", "o1"},
            "GetOperationRequest { name: \"operations/o1\" }"},
        Row{{"op", "wait", "operations/o1"},
            "GetOperationRequest { name: \"operations/o1\" }"},
        Row{{"op", "cancel", "o1"},
            "CancelOperationRequest { name: \"operations/o1\" }"},
        Row{{"whoami"}, "WhoAmIRequest { }"},
        Row{{"remote", "test"}, "WhoAmIRequest { }"}));

// Whatever is wrong with these is found before anything is sent.
class UsageTest : public testing::TestWithParam<Row> {};

TEST_P(UsageTest, NothingIsSentAndTheExitCodeIsTwo) {
  FakeService service;
  InnRun inn;
  inn.variables = {{"INN_ADDRESS", service.address()}};
  EXPECT_EQ(inn.Run(GetParam().arguments), 2)
      << absl::StrJoin(GetParam().arguments, " ") << "\n"
      << inn.err;
  EXPECT_THAT(inn.err, HasSubstr(GetParam().request));
  EXPECT_THAT(inn.out, IsEmpty());
  EXPECT_THAT(service.requests(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    All, UsageTest,
    testing::Values(
        Row{{}, "try: inn --help"}, Row{{"frobnicate"}, "try: inn --help"},
        Row{{"launch"}, "try: inn launch --help"}, Row{{"host"}, "try: inn"},
        Row{{"list", "-o", "xml"}, "try: inn list --help"},
        Row{{"list", "--filter", "a = 1) OR (b = 2", "--owner", "x"},
            "without its other end"},
        Row{{"list", "--watch", "--sort-by", "name"}, "leave out --sort-by"},
        Row{{"launch", "x", "--memory", "lots", "--disk", "nopool", "--label",
             "nolabel"},
            "--disk: 'nopool' is not the name of a volume"},
        Row{{"launch", "x", "--disk", "main/a,mode=rx"}, "mode=rx"},
        Row{{"launch", "x", "--vcpus", "two"}, "--vcpus"},
        Row{{"launch", "x", "--request-id", "no-uuid"}, "is no UUID"},
        Row{{"launch", "x", "--machine", "vax"}, "--machine"},
        Row{{"show", "hosts/h1"}, "not the name of one of the guests"},
        Row{{"stop", "a", "b", "--request-id", kId}, "for one guest"},
        Row{{"delete", "web"}, "--yes"},
        Row{{"wait", "web", "--for", "godot"}, "cannot be waited for"},
        Row{{"wait", "web", "--timeout", "soon"}, "is no span"},
        Row{{"events", "--since", "now", "--resume", "x"}, "--resume"},
        Row{{"console", "web", "--escape", "^^^"}, "is no escape key"},
        Row{{"show", "\x1b[2Jx/y"}, "\\x1b[2Jx/y"}));

INSTANTIATE_TEST_SUITE_P(
    Contexts, RequestTest,
    testing::Values(
        Row{{"launch", "web", "--context", "build", "--request-id", kId},
            "LaunchGuestRequest { guest_id: \"web\" guest { spec { vcpu_count: "
            "1 memory_bytes: 536870912 context: \"contexts/build\" } } "
            "request_id: \"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" }"},
        Row{{"context",      "create",        "build",      "--host",
             "h1",           "--user",        "alice",      "--user",
             "service/ci",   "--description", "for builds", "--identity",
             "builder",      "--group",       "audio",      "--selinux",
             "u:r:t,unique", "--apparmor",    "p",          "--namespace",
             "network=blue", "--namespace",   "uts=host",   "--root",
             "tools",        "--capability",  "net_admin",  "--allow-seccomp",
             "spawn",        "--landlock",    "required",   "--slice",
             "lab",          "--cpu-millis",  "500",        "--pids",
             "90",           "--rlimit",      "nofile=512", "--nice",
             "-3",           "--affinity",    "0-1",        "--oom-score",
             "700",          "--env",         "A=b=c"},
            "CreateContextRequest { context_id: \"build\" context { "
            "description: \"for builds\" users: \"user/alice\" users: "
            "\"service/ci\" spec { identity { kind: NAMED name: \"builder\" "
            "} groups: \"audio\" selinux { value: \"u:r:t\" unique: true } "
            "apparmor { value: \"p\" } namespaces { kind: NETWORK mode: NAMED "
            "name: \"blue\" } namespaces { kind: UTS mode: HOST } root: "
            "\"tools\" capabilities: \"net_admin\" allowed_seccomp_classes: "
            "SPAWN landlock: REQUIRED cgroup { slice: \"lab\" cpu_millis: 500 "
            "pid_count: 90 } rlimits { resource: \"nofile\" value: 512 } "
            "nice: -3 cpu_affinity: \"0-1\" oom_score_adj: 700 environment { "
            "key: \"A\" value: \"b=c\" } } } host: \"hosts/h1\" }"},
        Row{{"context", "create", "x", "--identity", "owner", "--namespace",
             "user=new"},
            "CreateContextRequest { context_id: \"x\" context { spec { "
            "identity { kind: OWNER } namespaces { kind: USER mode: NEW } } } "
            "}"},
        Row{{"context", "show", "build", "--host", "h1"},
            "GetContextRequest { name: \"contexts/build\" host: \"hosts/h1\" "
            "}"},
        Row{{"context", "ls"}, "ListContextsRequest { }"},
        Row{{"context", "delete", "contexts/build", "--etag", "e"},
            "DeleteContextRequest { name: \"contexts/build\" etag: \"e\" "
            "}"}));

}  // namespace
}  // namespace innkeeper
