#include "common/sample/json_parser.h"

#include "tests/common/sample/slots.h"

using freshet::MakeSampleParser;
using freshet::MessageOf;
using freshet::Sample;
using freshet::SampleFormat;
using freshet::SampleParser;
using freshet::proto::Slot;
using freshet::test::KeyOf;
using freshet::test::KeysOf;
using freshet::test::MapperOf;
using freshet::test::PlainSlot;

namespace {

std::unique_ptr<SampleParser> Parser(const std::vector<Slot>& slots) {
  const SampleFormat format{.kind = SampleFormat::Kind::kJson,
                            .label_column = "click",
                            .weight_column = "weight",
                            .event_time_column = "event.time"};
  auto parser = MakeSampleParser(format, MapperOf(slots));
  REQUIRE(parser.ok());
  return *std::move(parser);
}

std::string ParseError(std::string_view line) {
  Sample sample;
  const auto status = Parser({PlainSlot("user")})->Parse(line, &sample);
  INFO(line);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return MessageOf(status);
}

}  // namespace

TEST_CASE("json members are values, and hash as they are written", "[sample]") {
  Slot city = PlainSlot("city");
  city.set_column("user.city");
  Slot age = PlainSlot("age");
  age.add_buckets(30);
  const auto parser = Parser({PlainSlot("user.id"), city, PlainSlot("tags"), age});
  Sample sample;
  REQUIRE(parser
              ->Parse(R"({"click":true,"weight":2,"event":{"time":1.5},"user":{"id":4711.0,)"
                      R"("city":"Köln"},"tags":["a","b",3,""],"age":31,"other":{}})",
                      &sample)
              .ok());
  CHECK(sample.label == 1.0F);
  CHECK(sample.weight == 2.0F);
  CHECK(sample.event_time_ms == 1500);
  CHECK(KeysOf(sample.features) == std::vector<freshet::Key>{KeyOf("user.id", "4711.0"),
                                                             KeyOf("city", "Köln"),
                                                             KeyOf("tags", "a"),
                                                             KeyOf("tags", "b"),
                                                             KeyOf("tags", "3"),
                                                             KeyOf("age", "1")});
  // Nothing of it stays.
  REQUIRE(parser->Parse(R"({"click":0,"event":{"time":0},"tags":null,"user":7})", &sample).ok());
  CHECK(sample.label == 0.0F);
  CHECK(sample.weight == 1.0F);
  CHECK(sample.features.empty());
}

TEST_CASE("json that is none, or lacks what it must have, is told", "[sample]") {
  CHECK(ParseError("{").find("no JSON, near byte 1") == 0);
  CHECK(ParseError("[1]").find("must be a JSON object") != std::string::npos);
  CHECK(ParseError("{} {}").find("no JSON") == 0);
  CHECK(ParseError(R"({"event":{"time":1}})") == "member 'click': the label is missing");
  CHECK(ParseError(R"({"click":2,"event":{"time":1}})").find("member 'click': the label") == 0);
  CHECK(ParseError(R"({"click":1})") == "member 'event.time': the event time is missing");
  CHECK(ParseError(R"({"click":1,"event":{"time":"x"}})").find("Unix time") != std::string::npos);
  CHECK(ParseError(R"({"click":1,"weight":-1,"event":{"time":1}})").find("at least 0") !=
        std::string::npos);
  CHECK(ParseError(R"({"click":1,"event":{"time":1},"user":{"a":1}})").find("member 'user'") == 0);
  CHECK(ParseError(R"({"click":1,"event":{"time":1},"user":[["a"]]})").find("member 'user'") == 0);
  // Depth costs no stack.
  CHECK(ParseError(std::string(200'000, '[')).find("no JSON") == 0);
}
