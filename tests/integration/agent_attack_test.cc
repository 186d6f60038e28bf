// Clients with a good certificate, and strangers without one, who want to bring
// an agent down: it stays small, and others hardly notice.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/testing/test_pki.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"
#include "tests/integration/bystander.h"
#include "tests/integration/caller.h"
#include "tests/integration/http2_client.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

constexpr int64_t kMaxAgentBytes = int64_t{128} << 20;
constexpr absl::Duration kMaxP99 = absl::Milliseconds(500);
constexpr absl::Duration kMaxRecovery = absl::Seconds(1);
// How long attacks last that have no end of their own: longer than the agent
// waits for a client to say something.
constexpr absl::Duration kSiege = absl::Seconds(8);

constexpr char kList[] = "/innkeeper.v1.Guests/ListGuests";
constexpr char kStop[] = "/innkeeper.v1.Guests/StopGuest";
constexpr char kAttach[] = "/innkeeper.v1.Consoles/AttachSerial";

class AgentAttackTest : public testing::Test {
 protected:
  void SetUp() override {
    Prepare();
    ASSERT_THAT(lab_.Start(), IsOk());
    const Caller root = lab_.AsRoot();
    ASSERT_THAT(root.Finish(root.Launch(PausedGuest("web", "user/tenant-a"))),
                IsOk());
    pid_ = lab_.agent_pid();
  }
  virtual void Prepare() {}

  std::unique_ptr<Http2Client> Attacker(
      const std::string& source = "127.0.0.1") const {
    absl::StatusOr<std::unique_ptr<Http2Client>> client =
        Http2Client::Connect(lab_.address(), attacker_, source);
    EXPECT_THAT(client, IsOk());
    return client.ok() ? *std::move(client) : nullptr;
  }

  // A call as it should be. Whoever gets the answer knows that all they sent
  // before was read.
  static absl::Status Call(Http2Client& client, const std::string& path,
                           absl::string_view request) {
    return Call(client, Http2Client::CallTo(path), request);
  }
  static absl::Status Call(Http2Client& client,
                           const Http2Client::Fields& fields,
                           absl::string_view request) {
    const uint32_t stream = client.NextStream();
    client.Add(Http2Client::kHeaders, Http2Client::kEndHeaders, stream,
               Http2Client::Encode(fields));
    client.Add(Http2Client::kData, Http2Client::kEndStream, stream,
               Http2Client::Message(request));
    return client.AwaitEnd(stream, kPatience);
  }

  // Runs `attack` while others work, and sees how they and the agent fare.
  template <typename Attack>
  void Survives(Attack attack) {
    Bystander bystander(lab_.ChannelAs("user/operator"));
    lab_.ResetAgentPeak();
    const absl::Time start = absl::Now();

    attack();

    const absl::Time end = absl::Now();
    EXPECT_THAT(lab_.As("user/viewer").List(), IsOk());
    const absl::Duration recovery = absl::Now() - end;
    const Bystander::Report report = bystander.Stop();
    const int64_t peak = lab_.AgentPeakBytes();
    std::cout << "attack of " << absl::FormatDuration(end - start)
              << ": agent's peak " << (peak >> 20) << " MiB; others " << report
              << "; a new caller was served in "
              << absl::FormatDuration(recovery) << std::endl;
    EXPECT_EQ(report.error, "");
    EXPECT_LT(report.p99, kMaxP99);
    EXPECT_LT(recovery, kMaxRecovery);
    EXPECT_LT(peak, kMaxAgentBytes);
    EXPECT_EQ(lab_.agent_pid(), pid_) << "the agent died";
  }

  Lab lab_;
  const TestCertificate attacker_ = lab_.pki().Issue("user/tenant-a");
  pid_t pid_ = 0;
};

// Streams that are opened and reset at once, 100,000 of them.
class RapidResetTest : public AgentAttackTest {
 protected:
  // `body` comes between the headers and the reset.
  void Reset(const std::string& path, const std::string& body) {
    constexpr int kPairs = 100000;
    constexpr int kBatch = 2000;
    const Http2Client::Fields fields = Http2Client::CallTo(path);
    const std::string cancel("\0\0\0\x08", 4);
    std::unique_ptr<Http2Client> client;
    int connections = 0;
    for (int sent = 0; sent < kPairs; sent += kBatch) {
      if (client == nullptr) {
        client = Attacker();
        ASSERT_NE(client, nullptr);
        ++connections;
      }
      std::string block = Http2Client::EncodeAndKeep(fields);
      for (int i = 0; i < kBatch; ++i) {
        const uint32_t stream = client->NextStream();
        client->Add(Http2Client::kHeaders, Http2Client::kEndHeaders, stream,
                    block);
        if (!body.empty()) {
          client->Add(Http2Client::kData, Http2Client::kEndStream, stream,
                      body);
        }
        client->Add(Http2Client::kRstStream, 0, stream, cancel);
        block = Http2Client::Recall(fields.size());
      }
      // Whoever is thrown out comes back.
      if (!Call(*client, kList, "").ok()) client.reset();
    }
    std::cout << kPairs << " streams on " << connections << " connections\n";
  }
};

TEST_F(RapidResetTest, CallsThatAreResetBeforeTheirRequestHurtNobody) {
  Survives([&] { Reset(kList, ""); });
}

TEST_F(RapidResetTest, CallsThatAreResetBehindTheirRequestHurtNobody) {
  Survives([&] { Reset(kList, Http2Client::Message("")); });
}

TEST_F(RapidResetTest, StreamsThatAreResetAtOnceHurtNobody) {
  Survives([&] { Reset(kAttach, ""); });
}

// Some connections of one client that send the same frames for as long as the
// agent reads them, however often they are thrown out.
class FrameFloodTest : public AgentAttackTest {
 protected:
  using Add = std::function<void(Http2Client&)>;

  // Calls `first` with each new connection, then `more` again and again.
  void Flood(const Add& first, const Add& more) {
    constexpr int kAttackers = 4;
    std::atomic<int> connections{0};
    std::vector<std::thread> attackers;
    attackers.reserve(kAttackers);
    for (int i = 0; i < kAttackers; ++i) {
      attackers.emplace_back([&] { connections += Attack(first, more); });
    }
    for (std::thread& attacker : attackers) attacker.join();
    std::cout << connections << " connections\n";
  }
  void Flood(const Add& more) {
    Flood([](Http2Client&) {}, more);
  }

  // How many connections it took.
  int Attack(const Add& first, const Add& more) const {
    // All together what the agent takes of one source in some seconds.
    constexpr size_t kBytes = size_t{128} << 10;
    std::unique_ptr<Http2Client> client;
    int connections = 0;
    for (size_t sent = 0; sent < kBytes;) {
      if (client == nullptr) {
        client = Attacker();
        if (client == nullptr) break;
        ++connections;
        EXPECT_THAT(Call(*client, kList, ""), IsOk());
        first(*client);
      }
      for (int i = 0; i < 100; ++i) more(*client);
      sent += client->waiting();
      if (!client->Flush().ok()) client.reset();
    }
    // In the midst of headers even that is a reason to be thrown out.
    if (client != nullptr) Call(*client, kList, "").IgnoreError();
    return connections;
  }

  // Of what a connection floods: its first call was stream 1.
  static constexpr uint32_t kStream = 3;
};

TEST_F(FrameFloodTest, PingsHurtNobody) {
  Survives([&] {
    Flood([](Http2Client& client) {
      client.Add(Http2Client::kPing, 0, 0, "pingpong");
    });
  });
}

TEST_F(FrameFloodTest, SettingsHurtNobody) {
  Survives([&] {
    Flood([](Http2Client& client) {
      client.Add(Http2Client::kSettings, 0, 0, "");
    });
  });
}

TEST_F(FrameFloodTest, AFieldThatDoesNotEndHurtsNobody) {
  Survives([&] {
    Flood(
        [](Http2Client& client) {
          client.Add(Http2Client::kHeaders, 0, client.NextStream(),
                     Http2Client::Encode(Http2Client::CallTo(kList)) +
                         Http2Client::BeginField("x", 1 << 30));
        },
        [](Http2Client& client) {
          client.Add(Http2Client::kContinuation, 0, kStream, "y");
        });
  });
}

TEST_F(FrameFloodTest, FieldsWithoutEndHurtNobody) {
  const std::string field =
      Http2Client::BeginField("x", 100) + std::string(100, 'y');
  Survives([&] {
    Flood(
        [](Http2Client& client) {
          client.Add(Http2Client::kHeaders, 0, client.NextStream(),
                     Http2Client::Encode(Http2Client::CallTo(kList)));
        },
        [&](Http2Client& client) {
          client.Add(Http2Client::kContinuation, 0, kStream, field);
        });
  });
}

TEST_F(FrameFloodTest, AMessageThatDoesNotEndHurtsNobody) {
  const std::string block(64, 'y');
  Survives([&] {
    Flood(
        [](Http2Client& client) {
          client.Add(Http2Client::kHeaders, Http2Client::kEndHeaders,
                     client.NextStream(),
                     Http2Client::Encode(Http2Client::CallTo(kList)));
          client.Add(Http2Client::kData, 0, kStream,
                     std::string("\0\x7f\xff\xff\xff", 5));
        },
        [&](Http2Client& client) {
          client.Add(Http2Client::kData, 0, kStream, block);
        });
  });
}

// Requests that no handler must see. StopGuest leaves a line in the audit log,
// whoever calls it for what.
class BadRequestTest : public AgentAttackTest {
 protected:
  // Whether the server ends the stream or the connection, without a handler.
  void ExpectUnheard(const Http2Client::Fields& fields) {
    if (client_ == nullptr) client_ = Attacker();
    ASSERT_NE(client_, nullptr);
    if (!Call(*client_, fields, NoSuchGuest()).ok()) client_.reset();
  }

  static std::string NoSuchGuest() {
    v1::StopGuestRequest request;
    request.set_name("guests/no-such");
    return request.SerializeAsString();
  }

  std::unique_ptr<Http2Client> client_;
};

// Every path that is one step away from `path`, and some that are further.
std::set<std::string> Mutations(const std::string& path) {
  std::set<std::string> mutations = {"/",
                                     "//",
                                     "*",
                                     ".",
                                     "/..",
                                     path + "/",
                                     path + "?",
                                     path + "?x=y",
                                     path + "#",
                                     path + " ",
                                     path + path,
                                     "/." + path,
                                     "/x/.." + path,
                                     "http://localhost" + path,
                                     std::string(4000, '/')};
  for (size_t i = 0; i < path.size(); ++i) {
    const std::string before = path.substr(0, i);
    const std::string after = path.substr(i + 1);
    const unsigned char byte = static_cast<unsigned char>(path[i]);
    mutations.insert(before);
    mutations.insert(after);
    mutations.insert(before + after);
    mutations.insert(before + path[i] + path[i] + after);
    mutations.insert(before + std::string(1, '\0') + path.substr(i));
    mutations.insert(before + std::string(1, '\0') + after);
    mutations.insert(before + "/" + path.substr(i));
    mutations.insert(absl::StrCat(before, "%", absl::Hex(byte), after));
    mutations.insert(absl::StrCat(before, "%25", absl::Hex(byte), after));
    mutations.insert(before + static_cast<char>(byte ^ 0x20) + after);
    mutations.insert(before + static_cast<char>(byte ^ 0x80) + after);
  }
  mutations.erase(path);
  return mutations;
}

TEST_F(BadRequestTest, NoOtherPathReachesAHandler) {
  const std::string before = lab_.AuditLog();
  const std::set<std::string> paths = Mutations(kStop);
  ASSERT_GT(paths.size(), 300u);

  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    ASSERT_NO_FATAL_FAILURE(ExpectUnheard(Http2Client::CallTo(path)));
  }
  Http2Client::Fields twice = Http2Client::CallTo(kList);
  twice.insert(twice.begin(), {":path", kStop});
  ExpectUnheard(twice);
  Http2Client::Fields never = Http2Client::CallTo(kStop);
  never.erase(never.begin());
  ExpectUnheard(never);

  EXPECT_EQ(lab_.AuditLog(), before);
  EXPECT_EQ(lab_.agent_pid(), pid_) << "the agent died";
  // The path itself does.
  const std::unique_ptr<Http2Client> client = Attacker();
  EXPECT_THAT(Call(*client, kStop, NoSuchGuest()), IsOk());
  EXPECT_NE(lab_.AuditLog(), before);
}

TEST_F(BadRequestTest, TooManyBytesOfMetadataReachNoHandler) {
  const std::string before = lab_.AuditLog();
  const Caller caller = lab_.As("user/tenant-a");
  grpc::ClientContext context;
  SetTimeout(&context, kPatience);
  context.AddMetadata("x", std::string(9000, 'y'));
  v1::StopGuestRequest request;
  request.set_name("guests/no-such");
  google::longrunning::Operation operation;

  EXPECT_THAT(
      FromGrpcStatus(caller.guests().StopGuest(&context, request, &operation)),
      StatusIs(absl::StatusCode::kResourceExhausted));

  EXPECT_EQ(lab_.AuditLog(), before);
  // gRPC may close that connection, if the header came in several reads.
  EXPECT_THAT(lab_.As("user/tenant-a").Get("web"), IsOk());
}

TEST_F(BadRequestTest, TooLongAMessageReachesNoHandler) {
  const std::string before = lab_.AuditLog();
  const Caller caller = lab_.As("user/tenant-a");
  v1::LaunchGuestRequest request = PausedGuest("long", "user/tenant-a");
  request.mutable_guest()->mutable_spec()->set_kernel_command_line(
      std::string((4 << 20) + 1, 'x'));

  EXPECT_THAT(caller.Launch(request),
              StatusIs(absl::StatusCode::kResourceExhausted));

  EXPECT_EQ(lab_.AuditLog(), before);
  EXPECT_THAT(caller.Get("web"), IsOk());
}

// An agent that has few descriptors.
class IdleConnectionsTest : public AgentAttackTest {
 protected:
  static constexpr int kConnections = 1000;

  void Prepare() override {
    lab_.LimitAgentFiles(256);
    // We, however, need many.
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }

  // Keeps kConnections open from `sources` addresses that are not ours, for
  // kSiege, and replaces those that were closed. Each sends `greeting`, and
  // then a byte now and then.
  void Besiege(int sources, const std::string& greeting, char drip) {
    std::vector<UniqueFd> sockets(kConnections);
    std::vector<pollfd> polled(kConnections);
    int made = 0;
    const absl::Time end = absl::Now() + kSiege;
    while (absl::Now() < end) {
      for (int i = 0; i < kConnections; ++i) {
        if (!sockets[i].valid()) {
          sockets[i] = Dial(i % sources);
          Send(sockets[i], greeting);
          ++made;
        } else if (!greeting.empty()) {
          Send(sockets[i], std::string(1, drip));
        }
        polled[i] = {sockets[i].get(), POLLIN, 0};
      }
      poll(polled.data(), polled.size(), 100);
      for (int i = 0; i < kConnections; ++i) {
        if (polled[i].revents != 0) sockets[i].reset();
      }
    }
    std::cout << made << " connections\n";
    EXPECT_GE(made, kConnections);
  }

  // From 127.0.1.SOURCE; gives up on what the kernel does not let through.
  UniqueFd Dial(int source) const {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr =
        htonl(INADDR_LOOPBACK + 0x100 + static_cast<uint32_t>(source));
    EXPECT_EQ(
        bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(
        std::stoi(lab_.address().substr(lab_.address().rfind(':') + 1))));
    connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
    return fd;
  }

  static void Send(const UniqueFd& fd, const std::string& bytes) {
    send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
};

TEST_F(IdleConnectionsTest, ThoseOfOneSourceKeepNobodyElseOut) {
  Survives([&] {
    Besiege(1, "", 0);
    // Not only those who are in already: while they still try.
    std::vector<UniqueFd> more(kConnections);
    for (UniqueFd& fd : more) fd = Dial(0);
    EXPECT_THAT(lab_.As("user/tenant-b").List(), IsOk());
  });
}

TEST_F(IdleConnectionsTest, ThoseOfManySourcesHurtNobody) {
  Survives([&] { Besiege(100, "", 0); });
}

TEST_F(IdleConnectionsTest, HalfAHandshakeFromOneSourceHurtsNobody) {
  const std::string hello = Http2Client::Hello();
  Survives([&] { Besiege(1, hello.substr(0, hello.size() / 2), 0); });
}

TEST_F(IdleConnectionsTest, HalfAHandshakeFromManySourcesHurtsNobody) {
  const std::string hello = Http2Client::Hello();
  Survives([&] { Besiege(100, hello.substr(0, hello.size() / 2), 0); });
}

TEST_F(IdleConnectionsTest, HandshakesWithoutACallHurtNobody) {
  Survives([&] {
    std::vector<std::unique_ptr<Http2Client>> clients;
    for (int i = 0; i < kConnections; ++i) {
      absl::StatusOr<std::unique_ptr<Http2Client>> client =
          Http2Client::Connect(lab_.address(), attacker_,
                               absl::StrCat("127.0.1.", i % 100 + 1));
      // Once there is no room, each is turned away.
      if (client.ok()) clients.push_back(*std::move(client));
    }
    std::cout << clients.size() << " connections\n";
    EXPECT_GT(clients.size(), 20u);
    EXPECT_LT(clients.size(), 100u);
  });
}

}  // namespace
}  // namespace innkeeper
