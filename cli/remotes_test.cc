#include "cli/remotes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

VariableReader Variables(std::map<std::string, std::string> values) {
  return [values = std::move(values)](
             const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

std::string FreshHome() {
  return absl::StrCat(testing::TempDir(), "/", MakeUuid());
}

// A home with remotes "lab" (current) and "other".
std::string HomeWithRemotes() {
  std::string home = FreshHome();
  const Remotes remotes = {
      "lab",
      {{"lab", {"lab:7443", "/c.pem", "/k.pem", "/ca.pem", "server/lab"}},
       {"other", {"unix:/run/other.sock", "", "", "", ""}}}};
  EXPECT_THAT(SaveRemotes(home + "/.config/innkeeper/remotes.json", remotes),
              IsOk());
  return home;
}

TEST(RemotesTest, FileIsReadableByItsOwnerOnlyAndReadsBack) {
  const std::string path =
      HomeWithRemotes() + "/.config/innkeeper/remotes.json";
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);

  const absl::StatusOr<Remotes> remotes = LoadRemotes(path);
  ASSERT_THAT(remotes, IsOk());
  EXPECT_EQ(remotes->current, "lab");
  ASSERT_EQ(remotes->remotes.size(), 2u);
  EXPECT_EQ(remotes->remotes.at("lab").address, "lab:7443");
  EXPECT_EQ(remotes->remotes.at("lab").server_name, "server/lab");
  EXPECT_EQ(remotes->remotes.at("lab").key, "/k.pem");
}

TEST(RemotesTest, FileIsReplacedAndNotWrittenInto) {
  const std::string path =
      HomeWithRemotes() + "/.config/innkeeper/remotes.json";
  struct stat before;
  struct stat after;
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  // A link keeps the old file, so that its inode cannot come back.
  ASSERT_EQ(link(path.c_str(), (path + ".kept").c_str()), 0);
  ASSERT_THAT(SaveRemotes(path, Remotes()), IsOk());
  ASSERT_EQ(stat(path.c_str(), &after), 0);
  EXPECT_NE(before.st_ino, after.st_ino);
}

TEST(RemotesTest, MissingFileMeansNoRemotes) {
  EXPECT_THAT(LoadRemotes(FreshHome() + "/none.json"), IsOk());
}

TEST(RemotesTest, BrokenFileIsRefusedByName) {
  for (const char* text :
       {"", "[]", "{", "{\"remotes\":[]}", "{\"remotes\":{\"a\":1}}",
        "{\"remotes\":{\"a\":{\"address\":1}}}", "{\"current\":{}}"}) {
    const std::string path = FreshHome() + ".json";
    ASSERT_THAT(WriteFileAtomically(path, text, 0600), IsOk());
    EXPECT_THAT(LoadRemotes(path),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)))
        << text;
  }
}

TEST(RemotesTest, CurrentRemoteIsUsed) {
  const auto remote =
      ChooseRemote("", Variables({{"HOME", HomeWithRemotes()}}));
  ASSERT_THAT(remote, IsOk());
  EXPECT_EQ(remote->address, "lab:7443");
}

TEST(RemotesTest, VariableNamesAnotherRemote) {
  const auto remote = ChooseRemote(
      "", Variables({{"HOME", HomeWithRemotes()}, {"INN_REMOTE", "other"}}));
  ASSERT_THAT(remote, IsOk());
  EXPECT_EQ(remote->address, "unix:/run/other.sock");
}

TEST(RemotesTest, VariablesReplaceFieldsOfTheCurrentRemote) {
  const auto remote =
      ChooseRemote("", Variables({{"INN_ADDRESS", "h:1"},
                                  {"INN_CERT", "/x.pem"},
                                  {"INN_KEY", "/y.pem"},
                                  {"INN_CA", "/z.pem"},
                                  {"INN_SERVER_NAME", "host/h1"}}));
  ASSERT_THAT(remote, IsOk());
  EXPECT_EQ(remote->address, "h:1");
  EXPECT_EQ(remote->cert, "/x.pem");
  EXPECT_EQ(remote->key, "/y.pem");
  EXPECT_EQ(remote->ca, "/z.pem");
  EXPECT_EQ(remote->server_name, "host/h1");
}

TEST(RemotesTest, VariablesDoNotRedirectARemoteNamedOnTheCommandLine) {
  const auto remote =
      ChooseRemote("lab", Variables({{"HOME", HomeWithRemotes()},
                                     {"INN_ADDRESS", "evil:1"},
                                     {"INN_CERT", "/other.pem"},
                                     {"INN_SERVER_NAME", "server/evil"}}));
  ASSERT_THAT(remote, IsOk());
  EXPECT_EQ(remote->address, "lab:7443");
  EXPECT_EQ(remote->cert, "/c.pem");
  EXPECT_EQ(remote->server_name, "server/lab");
}

TEST(RemotesTest, RemoteThatIsNotThereIsNotFound) {
  EXPECT_THAT(ChooseRemote("nowhere", Variables({{"HOME", HomeWithRemotes()}})),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nowhere")));
}

TEST(RemotesTest, NoServiceAtAllSaysWhatToDo) {
  EXPECT_THAT(ChooseRemote("", Variables({{"HOME", FreshHome()}})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("inn remote add")));
}

TEST(RemotesTest, AddressOnTheNetworkNeedsCertificates) {
  EXPECT_THAT(ChooseRemote("", Variables({{"INN_ADDRESS", "h:1"},
                                          {"INN_CERT", "/x.pem"}})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("its key (INN_KEY), roots to trust")));
}

TEST(RemotesTest, NamesOfRemotesAreChecked) {
  EXPECT_THAT(CheckRemoteName("lab-1.x_y"), IsOk());
  for (const char* name : {"", "Lab", "-a", "a b", "a/b", "\x1b[2J"}) {
    EXPECT_THAT(CheckRemoteName(name),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
}

}  // namespace
}  // namespace innkeeper
