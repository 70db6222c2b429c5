#include "common/sample/libsvm_parser.h"

#include "tests/common/sample/slots.h"

using freshet::MakeSampleParser;
using freshet::MessageOf;
using freshet::Sample;
using freshet::SampleFormat;
using freshet::SampleParser;
using freshet::test::KeyOf;
using freshet::test::MapperOf;
using freshet::test::PlainSlot;

namespace {

std::unique_ptr<SampleParser> Parser(const SampleFormat& format = {
                                         .kind = SampleFormat::Kind::kLibsvm}) {
  auto parser = MakeSampleParser(format, MapperOf({PlainSlot("feature")}));
  REQUIRE(parser.ok());
  return *std::move(parser);
}

std::string ParseError(std::string_view line) {
  Sample sample;
  const auto status = Parser()->Parse(line, &sample);
  INFO(line);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return MessageOf(status);
}

}  // namespace

TEST_CASE("libsvm features carry their values", "[sample]") {
  const auto parser = Parser();
  Sample sample;
  REQUIRE(parser->Parse("+1 12:0.5  7:-2\t100:1e2 # a comment 5:5", &sample).ok());
  CHECK(sample.label == 1.0F);
  CHECK(sample.weight == 1.0F);
  REQUIRE(sample.features.size() == 3);
  CHECK(sample.features[0].key == 0xdbf5a5d19d122d43U);  // of "12": persisted
  CHECK(sample.features[0].key == KeyOf("feature", "12"));
  CHECK(sample.features[0].value == 0.5F);
  CHECK(sample.features[0].slot == 0);
  CHECK(sample.features[1].key == KeyOf("feature", "7"));
  CHECK(sample.features[1].value == -2.0F);
  CHECK(sample.features[2].value == 100.0F);

  REQUIRE(parser->Parse("-1", &sample).ok());  // nothing of the line before stays
  CHECK(sample.label == 0.0F);
  CHECK(sample.features.empty());
}

TEST_CASE("a libsvm value of zero is the same as no feature", "[sample]") {
  Sample sample;
  REQUIRE(Parser()->Parse("0 1:0 2:1 3:-0.0", &sample).ok());
  REQUIRE(sample.features.size() == 1);
  CHECK(sample.features[0].key == KeyOf("feature", "2"));
}

TEST_CASE("a libsvm label may be a number with a threshold", "[sample]") {
  const auto parser = Parser({.kind = SampleFormat::Kind::kLibsvm, .positive_at_least = 4.0});
  Sample sample;
  REQUIRE(parser->Parse("4.5 1:1", &sample).ok());
  CHECK(sample.label == 1.0F);
  REQUIRE(parser->Parse("-1 1:1", &sample).ok());
  CHECK(sample.label == 0.0F);
}

TEST_CASE("bad libsvm lines say what is wrong", "[sample]") {
  CHECK(ParseError("") == "the line has no label");
  CHECK(ParseError(" # 1") == "the line has no label");
  CHECK(ParseError("2 1:1") == "the label must be -1, 0 or 1, got '2'");
  CHECK(ParseError("1:1 2:1") == "the label must be -1, 0 or 1, got '1:1'");
  for (const char* word : {"a:1", "1", "1:", ":1", "1:x", "1:2:3", "qid:7", "1:nan", "1:1e39"}) {
    CHECK(ParseError(std::string("1 ") + word) ==
          "a feature must be index:value, two numbers, got '" + std::string(word) + "'");
  }
}

TEST_CASE("libsvm needs a single plain slot", "[sample]") {
  const SampleFormat format{.kind = SampleFormat::Kind::kLibsvm};
  CHECK(MessageOf(MakeSampleParser(format, MapperOf({PlainSlot("a"), PlainSlot("b")})).status()) ==
        "libsvm samples have one slot, the model has 2");
  auto slot = PlainSlot("a");
  slot.set_log_bucket(true);
  CHECK(MessageOf(MakeSampleParser(format, MapperOf({slot})).status()) ==
        "slot 'a': features of libsvm and libffm come split and with values; the slot must be "
        "plain");
}

TEST_CASE("libffm fields are slots, and those that nobody reads are left out", "[sample]") {
  freshet::proto::Slot item = PlainSlot("item");
  item.set_column("2");
  freshet::proto::Slot user = PlainSlot("user");
  user.set_column("1");
  const auto parser =
      *MakeSampleParser({.kind = SampleFormat::Kind::kLibffm}, MapperOf({item, user}));
  Sample sample;
  REQUIRE(parser->Parse("1 1:77:1 2:5:0.5 9:1:1 2:6:0", &sample).ok());
  CHECK(sample.label == 1.0F);
  REQUIRE(sample.features.size() == 2);
  CHECK(sample.features[0].key == KeyOf("user", "77"));
  CHECK(sample.features[0].slot == 1);
  CHECK(sample.features[1].key == KeyOf("item", "5"));
  CHECK(sample.features[1].value == 0.5F);
  CHECK(parser->Parse("1 77", &sample).code() == absl::StatusCode::kInvalidArgument);
  CHECK(parser->Parse("1 1:77", &sample).code() == absl::StatusCode::kInvalidArgument);
}
