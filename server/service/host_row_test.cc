#include "server/service/host_row.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::Pair;

v1::Host MakeHost(const std::string& id) {
  v1::Host host;
  host.set_name("hosts/" + id);
  host.set_state(v1::Host::UNREACHABLE);
  host.set_cordoned(true);
  host.set_machine_id("m1");
  host.mutable_acceleration()->set_kvm(true);
  (*host.mutable_labels())["rack"] = "7";
  return host;
}

absl::string_view Text(const FieldValue& value) {
  const auto* text = std::get_if<absl::string_view>(&value);
  return text == nullptr ? "not a text" : *text;
}

TEST(HostRowTest, EveryFieldOfTheSchemaHasItsValue) {
  const HostRow row(MakeHost("h1"));

  EXPECT_EQ(Text(row.Get("name")), "hosts/h1");
  EXPECT_EQ(Text(row.Get("state")), "UNREACHABLE");
  EXPECT_EQ(std::get<bool>(row.Get("cordoned")), true);
  EXPECT_EQ(std::get<bool>(row.Get("acceleration.kvm")), true);
  EXPECT_EQ(Text(row.Get("machine_id")), "m1");
  EXPECT_EQ(Text(row.Get("labels.rack")), "7");
}

TEST(HostRowTest, WhatIsNotThereHasNoValue) {
  const HostRow row(MakeHost("h1"));

  EXPECT_TRUE(std::holds_alternative<std::monostate>(row.Get("labels.disk")));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(row.Get("colour")));
}

TEST(HostRowTest, RightsDependOnItsNameAndItsLabels) {
  const HostRow row(MakeHost("h1"));

  EXPECT_EQ(row.attributes().name, "hosts/h1");
  EXPECT_EQ(row.attributes().host, "hosts/h1");
  EXPECT_EQ(row.attributes().owner, "");
  EXPECT_THAT(row.attributes().labels, ElementsAre(Pair("rack", "7")));
}

TEST(HostRowTest, FramedRowsAreAListOfHosts) {
  std::string bytes;
  for (const auto& row : MakeHostRows({MakeHost("h1"), MakeHost("h2")})) {
    bytes.append(row->framed(0).data(), row->framed(0).size());
  }

  v1::ListHostsResponse response;
  ASSERT_TRUE(response.ParseFromString(bytes));
  ASSERT_EQ(response.hosts_size(), 2);
  EXPECT_EQ(response.hosts(0).name(), "hosts/h1");
  EXPECT_EQ(response.hosts(1).name(), "hosts/h2");
  EXPECT_EQ(response.hosts(1).machine_id(), "m1");
}

}  // namespace
}  // namespace innkeeper
