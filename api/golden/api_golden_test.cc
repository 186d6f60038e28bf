// Holds the API to the description of it that was reviewed last.
//
// A change of the API shows as a change of the golden files. Once it is meant:
//   bazel run //api/golden:api_golden_test -- --update
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "innkeeper/agent/v1/inventory.pb.h"
#include "innkeeper/plugin/v1/launch_plugin.pb.h"
#include "innkeeper/v1/access.pb.h"
#include "innkeeper/v1/consoles.pb.h"
#include "innkeeper/v1/contexts.pb.h"
#include "innkeeper/v1/error_reason.pb.h"
#include "innkeeper/v1/events.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "innkeeper/v1/hosts.pb.h"
#include "innkeeper/v1/policy.pb.h"

namespace innkeeper {
namespace {

using google::protobuf::FileDescriptor;

struct Golden {
  std::string path;
  std::vector<const FileDescriptor*> files;
};

std::vector<Golden> Goldens() {
  return {
      {"api/golden/innkeeper_v1.txtpb",
       {v1::Access::descriptor()->file(),
        v1::AttachSerialRequest::descriptor()->file(),
        v1::Context::descriptor()->file(), v1::ErrorReason_descriptor()->file(),
        v1::Event::descriptor()->file(), v1::Guest::descriptor()->file(),
        v1::Host::descriptor()->file(),
        v1::WhoAmIRequest::descriptor()->file()}},
      {"api/golden/innkeeper_agent_v1.txtpb",
       {agent::v1::Position::descriptor()->file()}},
      {"api/golden/innkeeper_plugin_v1.txtpb",
       {plugin::v1::NotifyStartedRequest::descriptor()->file()}}};
}

std::string Describe(const Golden& golden) {
  google::protobuf::FileDescriptorSet set;
  for (const FileDescriptor* file : golden.files) {
    file->CopyTo(set.add_file());
  }
  // Through bytes, so that the options are known by their names.
  google::protobuf::FileDescriptorSet known;
  known.ParseFromString(set.SerializeAsString());
  std::string text;
  google::protobuf::TextFormat::PrintToString(known, &text);
  return "# proto-file: google/protobuf/descriptor.proto\n"
         "# proto-message: FileDescriptorSet\n" +
         text;
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The first line in which they differ, for the message.
std::string FirstDifference(const std::string& a, const std::string& b) {
  std::istringstream left(a);
  std::istringstream right(b);
  std::string x;
  std::string y;
  for (int line = 1;; ++line) {
    const bool more_left = static_cast<bool>(std::getline(left, x));
    const bool more_right = static_cast<bool>(std::getline(right, y));
    if (!more_left && !more_right) return "";
    if (more_left != more_right || x != y) {
      return "line " + std::to_string(line) + ": '" + (more_left ? x : "") +
             "' became '" + (more_right ? y : "") + "'";
    }
  }
}

TEST(ApiGoldenTest, ApiIsWhatWasReviewed) {
  for (const Golden& golden : Goldens()) {
    EXPECT_EQ(FirstDifference(Read(golden.path), Describe(golden)), "")
        << golden.path << " is out of date. If the change is meant: "
        << "bazel run //api/golden:api_golden_test -- --update";
  }
}

// But for those that a plugin serves, which knows its caller by the socket.
TEST(ApiGoldenTest, EveryMethodSaysWhoMayCallIt) {
  for (const Golden& golden : Goldens()) {
    for (const FileDescriptor* file : golden.files) {
      if (file->package() == "innkeeper.plugin.v1") continue;
      for (int i = 0; i < file->service_count(); ++i) {
        for (int j = 0; j < file->service(i)->method_count(); ++j) {
          const auto* method = file->service(i)->method(j);
          EXPECT_TRUE(method->options().HasExtension(v1::access))
              << method->full_name();
        }
      }
    }
  }
}

int Update() {
  const char* root = getenv("BUILD_WORKSPACE_DIRECTORY");
  if (root == nullptr) {
    std::cerr << "run it with bazel run\n";
    return 1;
  }
  for (const Golden& golden : Goldens()) {
    std::ofstream file(std::string(root) + "/" + golden.path);
    file << Describe(golden);
    if (!file.flush()) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace innkeeper

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--update") {
    return innkeeper::Update();
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
