#include "agent/qmp/codec.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::SizeIs;

std::string Nested(int depth) {
  return absl::StrCat("{\"a\":", std::string(depth - 1, '['),
                      std::string(depth - 1, ']'), "}");
}

TEST(QmpDecoderTest, MessagesAreTheSameHoweverTheStreamIsCut) {
  const std::string stream =
      "{\"QMP\": {}}\r\n\r\n \n{\"event\": \"A\", \"text\": "
      "\"\\\"}{\xc3\xa9\"}\n"
      "{\"return\": {\"n\": [1, 2]}, \"id\": 7}\r\n";
  for (size_t chunk = 1; chunk <= stream.size(); ++chunk) {
    SCOPED_TRACE(chunk);
    QmpDecoder decoder;
    std::vector<json> messages;

    for (size_t at = 0; at < stream.size(); at += chunk) {
      decoder.Append(absl::string_view(stream).substr(at, chunk));
      while (true) {
        const absl::StatusOr<std::optional<json>> next = decoder.Next();
        ASSERT_THAT(next, IsOk());
        if (!next->has_value()) break;
        messages.push_back(**next);
      }
    }

    ASSERT_THAT(messages, SizeIs(3));
    EXPECT_EQ(messages[1]["text"], "\"}{\xc3\xa9");
    EXPECT_EQ(messages[2]["return"]["n"], json({1, 2}));
    EXPECT_EQ(decoder.buffered_bytes(), 0u);
  }
}

TEST(QmpDecoderTest, EndlessLineIsRefusedOnceItIsTooLong) {
  QmpDecoder decoder;
  const std::string chunk(64 << 10, 'x');
  for (size_t sent = 0; sent < kMaxQmpMessageBytes; sent += chunk.size()) {
    decoder.Append(chunk);
    ASSERT_THAT(decoder.Next(), IsOk()) << sent;
  }

  decoder.Append("x");

  const absl::StatusOr<std::optional<json>> next = decoder.Next();
  EXPECT_THAT(next, StatusIs(absl::StatusCode::kUnavailable,
                             HasSubstr("longer than 4194304")));
  EXPECT_THAT(next, HasReason(reason::kMonitorProtocol));
}

TEST(QmpMessageTest, MessageOfExactlyTheLargestSizeIsTaken) {
  const std::string frame = "{\"a\":\"\"}";
  std::string line = frame;
  line.insert(6, kMaxQmpMessageBytes - frame.size(), 'x');
  ASSERT_EQ(line.size(), kMaxQmpMessageBytes);
  EXPECT_THAT(ParseQmpMessage(line), IsOk());

  line.insert(6, 1, 'x');
  EXPECT_THAT(ParseQmpMessage(line), HasReason(reason::kMonitorProtocol));
}

TEST(QmpMessageTest, NestingIsRefusedBeforeItIsParsed) {
  EXPECT_THAT(ParseQmpMessage(Nested(64)), IsOk());
  EXPECT_THAT(ParseQmpMessage(Nested(65)),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("nested deeper than 64")));
  // Unclosed, as an attacker would send it.
  EXPECT_THAT(ParseQmpMessage(std::string(100000, '[')),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("nested deeper than 64")));
}

TEST(QmpMessageTest, BracketsInsideStringsAreNotNesting) {
  const std::string line =
      absl::StrCat("{\"a\":\"\\\"", std::string(1000, '['), "\"}");
  EXPECT_THAT(ParseQmpMessage(line), IsOk());
}

TEST(QmpMessageTest, TooManyValuesAreRefused) {
  std::string line = "{\"a\":[0";
  for (int i = 0; i < kMaxQmpValues; ++i) line += ",0";
  line += "]}";
  EXPECT_THAT(ParseQmpMessage(line), StatusIs(absl::StatusCode::kUnavailable,
                                              HasSubstr("65536 values")));
}

TEST(QmpMessageTest, WhatIsNotAJsonObjectIsRefusedAndShown) {
  const std::vector<std::string> lines = {
      "hello",
      "[1]",
      "3",
      "null",
      "{\"a\":1",
      "{\"a\":1}}",
      "{\"a\":1} {}",
      "{\"a\":\"\xff\"}",
      "{\"a\":NaN}",
      std::string("{\"a\":1}\0x", 9),
      "{\"a\":\"\x01\"}",
      "]]]]",
  };
  for (const std::string& line : lines) {
    SCOPED_TRACE(line);
    EXPECT_THAT(ParseQmpMessage(line), HasReason(reason::kMonitorProtocol));
  }
  EXPECT_THAT(ParseQmpMessage("he\x7fllo"),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("a line is not JSON: 'he?llo'")));
}

TEST(QmpMessageTest, SixtyFourBitIntegersAreExact) {
  const absl::StatusOr<json> message = ParseQmpMessage(
      "{\"min\":-9223372036854775808,\"max\":18446744073709551615,"
      "\"odd\":9007199254740993}");
  ASSERT_THAT(message, IsOk());

  EXPECT_EQ((*message)["min"].get<int64_t>(),
            std::numeric_limits<int64_t>::min());
  EXPECT_EQ((*message)["max"].get<uint64_t>(),
            std::numeric_limits<uint64_t>::max());
  EXPECT_EQ((*message)["odd"].get<int64_t>(), 9007199254740993);
}

TEST(EncodeQmpCommandTest, CommandIsOneLineThatParsesBack) {
  const absl::StatusOr<std::string> line =
      EncodeQmpCommand("set-action", {{"reboot", "res\net"}},
                       std::numeric_limits<uint64_t>::max());
  ASSERT_THAT(line, IsOk());

  EXPECT_EQ(line->find('\n'), line->size() - 1);
  EXPECT_EQ(json::parse(*line),
            json({{"execute", "set-action"},
                  {"arguments", {{"reboot", "res\net"}}},
                  {"id", std::numeric_limits<uint64_t>::max()}}));
}

TEST(EncodeQmpCommandTest, NoArgumentsMeansNoMember) {
  EXPECT_THAT(EncodeQmpCommand("stop", nullptr, 1),
              IsOkAndHolds(std::string("{\"execute\":\"stop\",\"id\":1}\n")));
}

TEST(EncodeQmpCommandTest, WhatQemuCouldNotReadIsRefused) {
  EXPECT_THAT(EncodeQmpCommand("x", {{"a", "\xff"}}, 1),
              HasReason(reason::kInvalidRequest));
  EXPECT_THAT(EncodeQmpCommand("x", json::array({1}), 1),
              HasReason(reason::kInvalidRequest));
  EXPECT_THAT(
      EncodeQmpCommand("x", {{"a", std::string(kMaxQmpMessageBytes, 'x')}}, 1),
      HasReason(reason::kMessageTooLarge));
}

}  // namespace
}  // namespace innkeeper
