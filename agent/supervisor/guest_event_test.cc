#include "agent/supervisor/guest_event.h"

#include <string>

#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(GuestEventTest, PayloadComesBackAsItWas) {
  const GuestEventPayload payload =
      ParseEventPayload(SerializeEventPayload({"uid", "op", "who", "what"}));

  EXPECT_EQ(payload.guest_uid, "uid");
  EXPECT_EQ(payload.operation, "op");
  EXPECT_EQ(payload.caller, "who");
  EXPECT_EQ(payload.message, "what");
}

TEST(GuestEventTest, BytesThatAreNotTextDoNoHarm) {
  const GuestEventPayload payload = ParseEventPayload(
      SerializeEventPayload({"uid", "", "", std::string("\xff\x00x", 3)}));

  EXPECT_EQ(payload.guest_uid, "uid");
  EXPECT_EQ(payload.message.back(), 'x');
}

TEST(GuestEventTest, WhatDoesNotParseIsEmpty) {
  EXPECT_EQ(ParseEventPayload("{").message, "");
  EXPECT_EQ(ParseEventPayload("[1]").message, "");
  EXPECT_EQ(ParseEventPayload(R"({"message": 7})").message, "");
}

}  // namespace
}  // namespace innkeeper
