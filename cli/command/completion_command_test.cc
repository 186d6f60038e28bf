#include "cli/command/completion_command.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/uuid.h"
#include "cli/exit_code.h"
#include "cli/testing/fake_service.h"
#include "cli/testing/inn_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

class CompletionTest : public testing::Test {
 protected:
  CompletionTest() {
    run_.variables["INN_ADDRESS"] = service_.address();
    service_.list = [](const v1::ListGuestsRequest&,
                       v1::ListGuestsResponse* response) {
      for (const char* name : {"guests/web", "guests/web-2", "guests/db"}) {
        v1::Guest* guest = response->add_guests();
        guest->set_name(name);
        guest->set_state(v1::Guest::RUNNING);
        guest->set_owner("user/alice");
      }
      return grpc::Status::OK;
    };
    service_.list_hosts = [](const v1::ListHostsRequest&,
                             v1::ListHostsResponse* response) {
      response->add_hosts()->set_name("hosts/h1");
      response->add_hosts()->set_name("hosts/h2");
      return grpc::Status::OK;
    };
  }
  // What is offered, without what it means.
  std::vector<std::string> Offered(std::vector<std::string> words) {
    words.insert(words.begin(), kCompleteWord);
    EXPECT_EQ(run_.Run(words), 0);
    EXPECT_EQ(run_.err, "");
    std::vector<std::string> offered;
    for (const absl::string_view line :
         absl::StrSplit(run_.out, '\n', absl::SkipEmpty())) {
      const std::vector<std::string> parts = absl::StrSplit(line, '\t');
      offered.push_back(parts[0]);
    }
    return offered;
  }

  FakeService service_;
  InnRun run_;
};

// Nothing goes wrong.

TEST_F(CompletionTest, ServiceThatDoesNotAnswerOffersNothingAndSaysNothing) {
  run_.variables["INN_ADDRESS"] = "unix:/nowhere/at/all.sock";

  EXPECT_THAT(Offered({"start", ""}), IsEmpty());
  EXPECT_THAT(Offered({"start", "--"}), Contains("--request-id"));
}

TEST_F(CompletionTest, NoRemoteAtAllOffersNothingAndSaysNothing) {
  run_.variables.clear();

  EXPECT_THAT(Offered({"start", ""}), IsEmpty());
  EXPECT_THAT(Offered({"remote", "use", ""}), IsEmpty());
}

TEST_F(CompletionTest, RefusalOffersNothing) {
  service_.list = [](const v1::ListGuestsRequest&, v1::ListGuestsResponse*) {
    return grpc::Status(grpc::PERMISSION_DENIED, "no");
  };

  EXPECT_THAT(Offered({"start", ""}), IsEmpty());
}

TEST_F(CompletionTest, NameThatAShellWouldActOnIsNotOffered) {
  service_.list = [](const v1::ListGuestsRequest&,
                     v1::ListGuestsResponse* response) {
    for (const char* name :
         {"guests/$(reboot)", "guests/a;b", "guests/a b", "guests/a\tb",
          "guests/`x`", "guests/\033[2J", "guests/-rf", "guests/", "guests/ok",
          "guests/:files"}) {
      response->add_guests()->set_name(name);
    }
    return grpc::Status::OK;
  };

  EXPECT_THAT(Offered({"start", ""}), ElementsAre("ok"));
}

TEST_F(CompletionTest, WordsThatMakeNoSenseOfferNothing) {
  EXPECT_THAT(Offered({}), IsEmpty());
  EXPECT_THAT(Offered({"frobnicate", "x", ""}), IsEmpty());
  EXPECT_THAT(Offered({"--nonsense=", ""}), Contains("launch"));
  EXPECT_THAT(Offered({"start", "--nonsense="}), IsEmpty());
  EXPECT_THAT(Offered({"="}), IsEmpty());
}

// What is offered.

TEST_F(CompletionTest, FirstWordIsACommand) {
  EXPECT_THAT(Offered({""}),
              AllOf(IsSupersetOf({"launch", "list", "show", "host", "op",
                                  "remote", "completion", "version"}),
                    Not(Contains("__complete")), Not(Contains("ls"))));
  EXPECT_THAT(Offered({"st"}), ElementsAre("start", "stop"));
  EXPECT_THAT(run_.out, HasSubstr("start\tStart guests that are stopped\n"));
}

TEST_F(CompletionTest, GroupOffersItsCommands) {
  EXPECT_THAT(Offered({"host", "co"}), ElementsAre("cordon"));
  EXPECT_THAT(Offered({"remote", ""}),
              IsSupersetOf({"add", "list", "use", "remove", "test"}));
}

TEST_F(CompletionTest, OptionsAreThoseOfTheCommand) {
  EXPECT_THAT(Offered({"stop", "--"}),
              IsSupersetOf({"--force", "--grace", "--output", "--remote",
                            "--wait", "--help"}));
  EXPECT_THAT(Offered({"stop", "--fo"}), ElementsAre("--force"));
  EXPECT_THAT(Offered({"start", "--fo"}), IsEmpty());
  EXPECT_THAT(Offered({"ls", "--fi"}), ElementsAre("--filter"));
}

TEST_F(CompletionTest, ChoicesOfAnOptionAreOfferedHoweverItIsSpelt) {
  EXPECT_THAT(Offered({"list", "-o", "j"}), ElementsAre("json", "jsonl"));
  EXPECT_THAT(Offered({"list", "--output", "w"}), ElementsAre("wide"));
  EXPECT_THAT(Offered({"list", "--output=w"}), ElementsAre("--output=wide"));
  // As bash splits it.
  EXPECT_THAT(Offered({"list", "--output", "=", "w"}), ElementsAre("wide"));
  EXPECT_THAT(Offered({"list", "--output", "="}),
              ElementsAre("table", "wide", "json", "jsonl", "name"));
  EXPECT_THAT(Offered({"launch", "--machine", ""}),
              ElementsAre("q35", "microvm"));
  EXPECT_THAT(Offered({"completion", ""}), ElementsAre("bash", "zsh", "fish"));
}

TEST_F(CompletionTest, GuestsOfTheServiceAreOffered) {
  EXPECT_THAT(Offered({"start", ""}), ElementsAre("web", "web-2", "db"));
  EXPECT_THAT(run_.out, HasSubstr("web\tRUNNING of alice\n"));
  EXPECT_THAT(Offered({"show", "we"}), ElementsAre("web", "web-2"));
  EXPECT_THAT(Offered({"console", "d"}), ElementsAre("db"));
  EXPECT_THAT(Offered({"wait", "d"}), ElementsAre("db"));
  EXPECT_THAT(Offered({"delete", "--force", "d"}), ElementsAre("db"));
}

TEST_F(CompletionTest, GuestThatIsThereAlreadyIsNotOfferedAgain) {
  EXPECT_THAT(Offered({"stop", "web", "--grace", "5s", ""}),
              ElementsAre("web-2", "db"));
  EXPECT_THAT(Offered({"stop", "--", "db", "w"}), ElementsAre("web", "web-2"));
}

TEST_F(CompletionTest, CommandOfOneGuestTakesNoSecond) {
  EXPECT_THAT(Offered({"show", "web", ""}), IsEmpty());
}

TEST_F(CompletionTest, NameOfWhatIsToBeIsNotOffered) {
  EXPECT_THAT(Offered({"launch", ""}), IsEmpty());
  EXPECT_THAT(service_.requests(), IsEmpty());
}

TEST_F(CompletionTest, HostsOfTheServiceAreOffered) {
  EXPECT_THAT(Offered({"host", "cordon", ""}), ElementsAre("h1", "h2"));
  EXPECT_THAT(Offered({"launch", "web", "--host", "h"}),
              ElementsAre("h1", "h2"));
  EXPECT_THAT(Offered({"list", "--host=h2"}), ElementsAre("--host=h2"));
}

TEST_F(CompletionTest, OperationsOfTheServiceAreOffered) {
  service_.list_operations =
      [](const google::longrunning::ListOperationsRequest&,
         google::longrunning::ListOperationsResponse* response) {
        auto* operation = response->add_operations();
        operation->set_name("operations/1");
        v1::GuestOperationMetadata metadata;
        metadata.set_verb("stop");
        metadata.set_guest("guests/web");
        operation->mutable_metadata()->PackFrom(metadata);
        return grpc::Status::OK;
      };

  EXPECT_THAT(Offered({"op", "wait", ""}), ElementsAre("operations/1"));
  EXPECT_THAT(run_.out, HasSubstr("operations/1\tstop guests/web\n"));
}

TEST_F(CompletionTest, RemotesAreOfferedAndTheChosenOneIsAsked) {
  run_.variables.clear();
  run_.variables["XDG_CONFIG_HOME"] =
      absl::StrCat(testing::TempDir(), "/", MakeUuid());
  ASSERT_EQ(run_.Run({"remote", "add", "lab", service_.address()}), 0)
      << run_.err;
  ASSERT_EQ(run_.Run({"remote", "add", "gone", "unix:/nowhere.sock", "--use"}),
            0)
      << run_.err;

  EXPECT_THAT(Offered({"remote", "use", ""}), ElementsAre("gone", "lab"));
  EXPECT_THAT(Offered({"start", "-R", "l"}), ElementsAre("lab"));
  EXPECT_THAT(Offered({"start", ""}), IsEmpty());
  EXPECT_THAT(Offered({"start", "-R", "lab", "d"}), ElementsAre("db"));
  EXPECT_THAT(Offered({"start", "--remote=lab", "d"}), ElementsAre("db"));
}

TEST_F(CompletionTest, FilesAreTheShellsToFind) {
  EXPECT_THAT(Offered({"remote", "add", "--cert", ""}), ElementsAre(":files"));
  EXPECT_THAT(Offered({"remote", "add", "--server-name", ""}), IsEmpty());
}

// The scripts.

TEST_F(CompletionTest, ShellThatIsNotKnownIsRefused) {
  EXPECT_EQ(run_.Run({"completion", "csh"}),
            static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(run_.err, HasSubstr("csh"));
}

TEST_F(CompletionTest, EveryShellsScriptAsksTheBinary) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    ASSERT_EQ(run_.Run({"completion", shell}), 0);
    EXPECT_THAT(run_.out, AllOf(HasSubstr(kCompleteWord),
                                HasSubstr(absl::StrCat("completion ", shell))));
  }
}

// Runs the script in a real bash, with an `inn` that shows what it is asked.
TEST_F(CompletionTest, BashOffersWhatTheBinarySays) {
  ASSERT_EQ(run_.Run({"completion", "bash"}), 0);
  const std::string dir = absl::StrCat(testing::TempDir(), "/bash");
  std::string made = absl::StrCat(dir, "XXXXXX");
  ASSERT_NE(mkdtemp(made.data()), nullptr);
  std::ofstream(made + "/inn") << "#!/bin/bash\n"
                                  "printf 'a-%s\\tmeans\\n' \"$#\"\n"
                                  "printf '%s\\n' \"${@: -1}b\"\n";
  ASSERT_EQ(chmod((made + "/inn").c_str(), 0755), 0);
  std::ofstream(made + "/script") << run_.out <<
      R"sh(
complete -p inn
COMP_WORDS=(inn list --output = js)
COMP_CWORD=4
_inn "$0.d/inn" js list
printf '<%s>' "${COMPREPLY[@]}"
)sh";
  const std::string command =
      absl::StrCat("cd ", made, " && mkdir script.d && mv inn script.d/ && ",
                   "bash -eu ", made, "/script 2>&1");

  FILE* const output = popen(command.c_str(), "r");
  ASSERT_NE(output, nullptr);
  std::string text(4096, '\0');
  text.resize(fread(text.data(), 1, text.size(), output));
  EXPECT_EQ(pclose(output), 0) << text;

  EXPECT_EQ(text, "complete -F _inn inn\n<a-5><jsb>");
}

}  // namespace
}  // namespace innkeeper
