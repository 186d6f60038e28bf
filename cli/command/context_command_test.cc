#include "cli/command/context_command.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "cli/testing/fake_service.h"
#include "cli/testing/inn_run.h"
#include "gmock/gmock.h"
#include "grpcpp/support/status.h"
#include "gtest/gtest.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

v1::Context Build() {
  v1::Context context;
  context.set_name("contexts/build");
  context.set_host("hosts/h1");
  context.set_description("for builds");
  context.add_users("user/alice");
  context.set_creator("user/root");
  context.set_etag("e1");
  context.mutable_spec()->set_nice(5);
  context.mutable_spec()->add_groups("audio");
  return context;
}

class ContextCommandTest : public testing::Test {
 protected:
  ContextCommandTest() {
    inn_.variables = {{"INN_ADDRESS", service_.address()}};
    service_.create_context = [this](const v1::CreateContextRequest& request,
                                     v1::Context* response) {
      created_ = request;
      *response = Build();
      return grpc::Status::OK;
    };
    service_.get_context = [](const v1::GetContextRequest&,
                              v1::Context* response) {
      *response = Build();
      return grpc::Status::OK;
    };
    service_.list_contexts = [](const v1::ListContextsRequest& request,
                                v1::ListContextsResponse* response) {
      // Two pages.
      *response->add_contexts() = Build();
      if (request.page_token().empty()) {
        response->set_next_page_token("more");
      } else {
        response->mutable_contexts(0)->set_host("hosts/h3");
        response->add_unreachable("hosts/h2");
      }
      return grpc::Status::OK;
    };
    service_.delete_context = [](const v1::DeleteContextRequest&,
                                 google::protobuf::Empty*) {
      return grpc::Status::OK;
    };
  }

  FakeService service_;
  InnRun inn_;
  v1::CreateContextRequest created_;
};

TEST_F(ContextCommandTest, ShowTellsEveryPart) {
  ASSERT_EQ(inn_.Run({"context", "show", "build"}), 0) << inn_.err;

  EXPECT_THAT(inn_.out,
              AllOf(HasSubstr("contexts/build"), HasSubstr("hosts/h1"),
                    HasSubstr("for builds"), HasSubstr("user/alice"),
                    HasSubstr("groups = audio"), HasSubstr("nice = 5"),
                    HasSubstr("user/root")));
}

TEST_F(ContextCommandTest, EveryFormatShowsTheContext) {
  ASSERT_EQ(inn_.Run({"context", "show", "build", "-o", "name"}), 0);
  EXPECT_EQ(inn_.out, "contexts/build\n");
  ASSERT_EQ(inn_.Run({"context", "show", "build", "-o", "json"}), 0);
  EXPECT_THAT(inn_.out, HasSubstr("\"nice\": 5"));
  ASSERT_EQ(inn_.Run({"context", "show", "build", "-o", "jsonl"}), 0);
  EXPECT_THAT(inn_.out, HasSubstr("\"nice\":5"));
}

TEST_F(ContextCommandTest, ListShowsEveryPageAndWhoIsAway) {
  ASSERT_EQ(inn_.Run({"context", "ls"}), 0);
  EXPECT_THAT(inn_.out, AllOf(HasSubstr("NAME"), HasSubstr("h1"),
                              HasSubstr("h3"), Not(HasSubstr("PARTS"))));
  EXPECT_THAT(inn_.err, HasSubstr("hosts/h2"));

  ASSERT_EQ(inn_.Run({"context", "list", "-o", "wide"}), 0);
  EXPECT_THAT(inn_.out,
              AllOf(HasSubstr("PARTS"), HasSubstr("groups=audio nice=5")));
  ASSERT_EQ(inn_.Run({"context", "list", "-o", "name"}), 0);
  EXPECT_EQ(inn_.out, "contexts/build\ncontexts/build\n");
  ASSERT_EQ(inn_.Run({"context", "list", "-o", "json"}), 0);
  EXPECT_THAT(inn_.out,
              AllOf(HasSubstr("\"unreachable\""), HasSubstr("\"hosts/h3\"")));
}

TEST_F(ContextCommandTest, WhatShowPrintsCanBeCreatedAgain) {
  ASSERT_EQ(inn_.Run({"context", "show", "build", "-o", "json"}), 0);
  inn_.input = inn_.out;

  ASSERT_EQ(inn_.Run({"context", "create", "other", "--file", "-", "--nice",
                      "9", "--user", "bob"}),
            0)
      << inn_.err;

  EXPECT_EQ(created_.context_id(), "other");
  EXPECT_EQ(created_.context().description(), "for builds");
  EXPECT_THAT(created_.context().users(),
              ElementsAre("user/alice", "user/bob"));
  EXPECT_THAT(created_.context().spec().groups(), ElementsAre("audio"));
  EXPECT_EQ(created_.context().spec().nice(), 9);
}

TEST_F(ContextCommandTest, OptionsTakeThePlaceOfTheFilesParts) {
  inn_.input =
      "{\"spec\": {\"namespaces\": [{\"kind\": \"UTS\", \"mode\": \"HOST\"}], "
      "\"rlimits\": [{\"resource\": \"nofile\", \"value\": \"9\"}]}}";

  ASSERT_EQ(inn_.Run({"context", "create", "x", "--file", "-", "--namespace",
                      "uts=new", "--rlimit", "nofile=8"}),
            0)
      << inn_.err;

  const v1::ContextSpec& spec = created_.context().spec();
  ASSERT_EQ(spec.namespaces_size(), 1);
  EXPECT_EQ(spec.namespaces(0).mode(), v1::ContextSpec::Namespace::NEW);
  ASSERT_EQ(spec.rlimits_size(), 1);
  EXPECT_EQ(spec.rlimits(0).value(), 8);
}

TEST_F(ContextCommandTest, FileThatIsNoContextIsRefusedBeforeACall) {
  inn_.input = "{\"spec\": {\"niceness\": 3}}";

  EXPECT_EQ(inn_.Run({"context", "create", "x", "--file", "-"}), 2);

  EXPECT_THAT(inn_.err, HasSubstr("niceness"));
  EXPECT_THAT(service_.requests(), IsEmpty());
}

TEST_F(ContextCommandTest, OptionsThatCannotBeReadAreAllNamed) {
  EXPECT_EQ(inn_.Run({"context", "create", "x", "--namespace", "uts",
                      "--rlimit", "nofile=many", "--env", "A"}),
            2);

  EXPECT_THAT(inn_.err, AllOf(HasSubstr("--namespace"), HasSubstr("--rlimit"),
                              HasSubstr("--env")));
  EXPECT_THAT(service_.requests(), IsEmpty());
}

TEST_F(ContextCommandTest, LaunchTakesPartsFromAFile) {
  const std::string path = absl::StrCat(testing::TempDir(), "/parts.json");
  ASSERT_TRUE(WriteFileAtomically(path, "{\"nice\": 4}", 0600).ok());

  inn_.Run({"launch", "web", "--context", "build", "--context-file", path});

  EXPECT_THAT(service_.requests()[0],
              AllOf(HasSubstr("context: \"contexts/build\""),
                    HasSubstr("context_parts { nice: 4 }")));
}

TEST_F(ContextCommandTest, ExitCodeTellsWhy) {
  const auto answer = [&](absl::StatusCode code, absl::string_view reason) {
    service_.get_context = [=](const v1::GetContextRequest&, v1::Context*) {
      return ToGrpcStatus(Error(code, reason, "no"));
    };
    return inn_.Run({"context", "show", "x"});
  };

  EXPECT_EQ(answer(absl::StatusCode::kNotFound, reason::kContextNotFound), 4);
  EXPECT_EQ(
      answer(absl::StatusCode::kPermissionDenied, reason::kPermissionDenied),
      5);
  EXPECT_EQ(answer(absl::StatusCode::kFailedPrecondition,
                   reason::kContextUnavailable),
            7);
}

TEST_F(ContextCommandTest, DeletionSaysWhatBecomesOfTheGuests) {
  ASSERT_EQ(inn_.Run({"context", "delete", "build"}), 0);

  EXPECT_THAT(inn_.out, HasSubstr("its guests keep what they have"));
}

TEST_F(ContextCommandTest, ShellIsOfferedEachContextOnce) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"context", "show", ""},
        std::vector<std::string>{"launch", "web", "--context", ""}}) {
    std::vector<std::string> all = words;
    all.insert(all.begin(), "__complete");
    ASSERT_EQ(inn_.Run(all), 0) << inn_.err;
    EXPECT_EQ(inn_.out, "build\tfor builds\n");
  }
}

}  // namespace
}  // namespace innkeeper
