#include "catalog/context_list.h"

#include <string>
#include <vector>

#include "auth/testing/permit_for_test.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;

constexpr char kMethod[] = "innkeeper.v1.Contexts/ListContexts";

class ContextListTest : public testing::Test {
 protected:
  absl::StatusOr<v1::ListContextsResponse> Page(
      const v1::ListContextsRequest& request,
      const std::string& caller = "user/a") {
    std::vector<v1::Context> contexts;
    for (const auto& [name, host] :
         {std::make_pair("contexts/b", "hosts/h1"),
          std::make_pair("contexts/a", "hosts/h2"),
          std::make_pair("contexts/a", "hosts/h1")}) {
      contexts.emplace_back();
      contexts.back().set_name(name);
      contexts.back().set_host(host);
    }
    return PageOfContexts(sealer_, PermitForTest(caller, "contexts.list", ""),
                          kMethod, request, contexts);
  }
  static std::vector<std::string> Keys(const v1::ListContextsResponse& page) {
    std::vector<std::string> keys;
    for (const v1::Context& context : page.contexts()) {
      keys.push_back(context.name() + "@" + context.host());
    }
    return keys;
  }

  const PageTokenSealer sealer_{std::string(32, 's')};
};

TEST_F(ContextListTest, ContextsComeByNameThenByHost) {
  const auto page = Page({});

  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(Keys(*page),
              ElementsAre("contexts/a@hosts/h1", "contexts/a@hosts/h2",
                          "contexts/b@hosts/h1"));
  EXPECT_EQ(page->next_page_token(), "");
}

TEST_F(ContextListTest, PagesNeitherRepeatNorOmit) {
  v1::ListContextsRequest request;
  request.set_page_size(2);
  const auto first = Page(request);
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(Keys(*first),
              ElementsAre("contexts/a@hosts/h1", "contexts/a@hosts/h2"));

  request.set_page_token(first->next_page_token());
  const auto second = Page(request);

  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(Keys(*second), ElementsAre("contexts/b@hosts/h1"));
  EXPECT_EQ(second->next_page_token(), "");
}

TEST_F(ContextListTest, TokenIsGoodForItsCallerOnly) {
  v1::ListContextsRequest request;
  request.set_page_size(1);
  request.set_page_token(Page(request)->next_page_token());

  EXPECT_THAT(Page(request, "user/b"), HasReason(reason::kInvalidPageToken));
}

}  // namespace
}  // namespace innkeeper
