#include "common/sample/protobuf_parser.h"

#include <cmath>
#include <limits>

#include "proto/sample.pb.h"
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

std::unique_ptr<SampleParser> Parser(const std::vector<Slot>& slots, bool timed = false) {
  const SampleFormat format{.kind = SampleFormat::Kind::kProtobuf,
                            .event_time_column = timed ? "event_time_ms" : ""};
  auto parser = MakeSampleParser(format, MapperOf(slots));
  REQUIRE(parser.ok());
  return *std::move(parser);
}

freshet::proto::Sample Labelled(float label) {
  freshet::proto::Sample sample;
  sample.set_label(label);
  return sample;
}

freshet::proto::Column* AddColumn(const std::string& name, freshet::proto::Sample* sample) {
  auto* column = sample->add_columns();
  column->set_name(name);
  return column;
}

std::string ParseError(const std::string& record, bool timed = false) {
  Sample sample;
  const auto status = Parser({PlainSlot("user")}, timed)->Parse(record, &sample);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return MessageOf(status);
}

}  // namespace

TEST_CASE("ids, texts and numbers of a message are features by slot", "[sample]") {
  Slot age = PlainSlot("age");
  age.add_buckets(30);
  Slot price = PlainSlot("price");
  price.set_numeric(Slot::IDENTITY);
  Slot country = PlainSlot("country");
  country.set_default_value("??");
  Slot again = PlainSlot("again");
  again.set_column("user");
  const auto parser = Parser({PlainSlot("user"), PlainSlot("tags"), age, price, country, again});
  freshet::proto::Sample message = Labelled(1);
  message.set_weight(0.5F);
  message.set_event_time_ms(1500);
  AddColumn("nobody reads it", &message)->add_ids(1);
  AddColumn("price", &message)->add_numbers(0.1F);
  AddColumn("age", &message)->add_ids(31);
  auto* tags = AddColumn("tags", &message);
  tags->add_texts("a");
  tags->add_texts("\xff|b");
  AddColumn("user", &message)->add_ids(std::numeric_limits<int64_t>::min());
  Sample sample;
  REQUIRE(parser->Parse(message.SerializeAsString(), &sample).ok());
  CHECK(sample.label == 1.0F);
  CHECK(sample.weight == 0.5F);
  CHECK(sample.event_time_ms == 1500);
  CHECK(KeysOf(sample.features) ==
        std::vector<freshet::Key>{KeyOf("user", "-9223372036854775808"),
                                  KeyOf("tags", "a"),
                                  KeyOf("tags", "\xff|b"),
                                  KeyOf("age", "1"),
                                  KeyOf("price", "#"),
                                  KeyOf("country", "??"),
                                  KeyOf("again", "-9223372036854775808")});
  CHECK(sample.features[4].value == 0.1F);
  // Nothing of it stays.
  REQUIRE(parser->Parse(Labelled(0).SerializeAsString(), &sample).ok());
  CHECK(sample.label == 0.0F);
  CHECK(sample.weight == 1.0F);
  CHECK(sample.event_time_ms == 0);
  CHECK(KeysOf(sample.features) == std::vector<freshet::Key>{KeyOf("country", "??")});
}

TEST_CASE("an id has the key of its text, and a number that of its shortest one", "[sample]") {
  const auto parser = Parser({PlainSlot("x")});
  const auto key_of = [&](const auto& fill) {
    freshet::proto::Sample message = Labelled(1);
    fill(AddColumn("x", &message));
    Sample sample;
    REQUIRE(parser->Parse(message.SerializeAsString(), &sample).ok());
    return KeysOf(sample.features);
  };
  CHECK(key_of([](auto* column) { column->add_ids(42); }) == std::vector{KeyOf("x", "42")});
  CHECK(key_of([](auto* column) { column->add_texts("42"); }) == std::vector{KeyOf("x", "42")});
  CHECK(key_of([](auto* column) { column->add_numbers(0.1F); }) == std::vector{KeyOf("x", "0.1")});
  CHECK(key_of([](auto* column) { column->add_numbers(1e30F); }) ==
        std::vector{KeyOf("x", "1e+30")});
}

TEST_CASE("the bytes of docs/formats/sample.md are the sample that it tells of", "[sample]") {
  const std::string bytes(
      "\x0d\x00\x00\x80\x3f"
      "\x22\x09\x0a\x04user\x12\x01\x07"
      "\x22\x0a\x0a\x04item\x1a\x02i1",
      28);
  Sample sample;
  REQUIRE(Parser({PlainSlot("user"), PlainSlot("item")})->Parse(bytes, &sample).ok());
  CHECK(sample.label == 1.0F);
  CHECK(KeysOf(sample.features) ==
        std::vector<freshet::Key>{KeyOf("user", "7"), KeyOf("item", "i1")});
}

TEST_CASE("a message that is no sample is told", "[sample]") {
  CHECK(ParseError("").find("the message is empty") == 0);
  CHECK(ParseError("\xff\xff\xff").find("no message of proto/sample.proto, 3 bytes") == 0);
  freshet::proto::Sample message;
  message.set_weight(1);
  CHECK(ParseError(message.SerializeAsString()).find("the label is missing") == 0);
  CHECK(ParseError(Labelled(2).SerializeAsString()).find("the label must be 0 or 1") == 0);
  CHECK(ParseError(Labelled(NAN).SerializeAsString()).find("the label must be 0 or 1") == 0);
  message = Labelled(1);
  message.set_weight(-1);
  CHECK(ParseError(message.SerializeAsString()).find("the weight must be") == 0);
  message = Labelled(1);
  CHECK(ParseError(message.SerializeAsString(), true) == "the event time is missing");
  message.set_event_time_ms(std::numeric_limits<int64_t>::max());
  CHECK(ParseError(message.SerializeAsString()).find("the event time must be") == 0);
  message = Labelled(1);
  AddColumn("user", &message)->add_ids(1);
  AddColumn("user", &message)->add_ids(1);
  CHECK(ParseError(message.SerializeAsString()) == "column 'user' is there twice");
  message = Labelled(1);
  auto* user = AddColumn("user", &message);
  user->add_ids(1);
  user->add_texts("1");
  CHECK(ParseError(message.SerializeAsString()) ==
        "column 'user': its values must be of one kind: ids, texts or numbers");
}
