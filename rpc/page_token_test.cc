#include "rpc/page_token.h"

#include <sys/stat.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/resume_token.h"

namespace innkeeper {
namespace {

const char kSecret[] = "0123456789abcdef0123456789abcdef";

TEST(PageTokenTest, OpensWhereItWasSealed) {
  const PageTokenSealer sealer(kSecret);
  for (const std::string& payload :
       {std::string(), std::string("guests/web"), std::string(4000, '\0')}) {
    EXPECT_THAT(sealer.Open(sealer.Seal(payload, "list"), "list"),
                IsOkAndHolds(payload));
  }
}

TEST(PageTokenTest, OtherListOrOtherKeyOrOtherBytesAreRefused) {
  const PageTokenSealer sealer(kSecret);
  const PageTokenSealer other("another secret of thirty-two bytes");
  const std::string token = sealer.Seal("guests/web", "list");
  EXPECT_THAT(sealer.Open(token, "other"),
              HasReason(reason::kInvalidPageToken));
  EXPECT_THAT(other.Open(token, "list"), HasReason(reason::kInvalidPageToken));
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_THAT(sealer.Open(changed, "list"),
                HasReason(reason::kInvalidPageToken))
        << i;
    EXPECT_THAT(sealer.Open(token.substr(0, i), "list"),
                HasReason(reason::kInvalidPageToken));
  }
  EXPECT_THAT(sealer.Open(std::string(10000, 'A'), "list"),
              HasReason(reason::kInvalidPageToken));
}

TEST(PageTokenTest, BindingIsAllButThePage) {
  v1::ListGuestsRequest request;
  request.set_filter("state = RUNNING");
  const std::string binding = PageTokenBinding("m", "user/alice", request);
  v1::ListGuestsRequest next = request;
  next.set_page_token("x");
  next.set_page_size(7);
  EXPECT_EQ(PageTokenBinding("m", "user/alice", next), binding);
  EXPECT_NE(PageTokenBinding("m", "user/bob", request), binding);
  EXPECT_NE(PageTokenBinding("n", "user/alice", request), binding);
  next.set_filter("");
  EXPECT_NE(PageTokenBinding("m", "user/alice", next), binding);
}

TEST(PageTokenTest, SecretFileIsMadeOnceAndKept) {
  const std::string path =
      absl::StrCat(testing::TempDir(), "/page_token_secret");
  unlink(path.c_str());
  const auto first = PageTokenSealer::FromFile(path);
  ASSERT_THAT(first, IsOk());
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto second = PageTokenSealer::FromFile(path);
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(second->Open(first->Seal("x", "l"), "l"), IsOkAndHolds("x"));
  std::ofstream(path, std::ios::trunc) << "short";
  EXPECT_THAT(PageTokenSealer::FromFile(path),
              HasReason(reason::kConfigInvalid));
}

TEST(ResumeTokenTest, PointsSurvive) {
  const std::vector<ResumePoint> points = {
      {"h1", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", 0},
      {"server", "epoch-2", INT64_MAX}};
  const auto token = EncodeResumeToken(points);
  ASSERT_THAT(token, IsOk());
  const auto decoded = DecodeResumeToken(*token);
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(*decoded, points);
  EXPECT_EQ(DecodeResumeToken(*EncodeResumeToken({}))->size(), 0u);
}

TEST(ResumeTokenTest, ThousandHostsFitAndTooManyAreRefused) {
  std::vector<ResumePoint> points;
  points.reserve(4000);
  for (int i = 0; i < 1000; ++i) {
    points.push_back({absl::StrCat(i), "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
                      int64_t{1} << 40});
  }
  EXPECT_THAT(EncodeResumeToken(points), IsOk());
  for (int i = 1000; i < 4000; ++i) {
    points.push_back({absl::StrCat(i), "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
                      int64_t{1} << 40});
  }
  EXPECT_THAT(EncodeResumeToken(points), HasReason(reason::kMessageTooLarge));
}

TEST(ResumeTokenTest, OtherBytesAreRefused) {
  const std::string token = *EncodeResumeToken({{"h1", "e", 5}});
  for (const std::string& text :
       {std::string(), std::string("!"), std::string("AA"),
        token.substr(0, token.size() - 2), std::string(70000, 'A'),
        *EncodeResumeToken({{"h1", "e", 5}, {"h1", "e", 6}})}) {
    EXPECT_THAT(DecodeResumeToken(text), HasReason(reason::kInvalidResumeToken))
        << text.substr(0, 40);
  }
}

}  // namespace
}  // namespace innkeeper
