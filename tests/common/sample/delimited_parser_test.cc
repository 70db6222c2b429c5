#include "common/sample/delimited_parser.h"

#include <optional>
#include <random>

#include "tests/common/sample/slots.h"

using freshet::MakeSampleParser;
using freshet::MessageOf;
using freshet::Sample;
using freshet::SampleFormat;
using freshet::SampleParser;
using freshet::test::KeyOf;
using freshet::test::KeysOf;
using freshet::test::MapperOf;
using freshet::test::PlainSlot;

namespace {

// label,a,b
SampleFormat SmallFormat() {
  return {.columns = {"label", "a", "b"}, .label_column = "label"};
}

std::unique_ptr<SampleParser> Parser(const SampleFormat& format) {
  auto parser = MakeSampleParser(format, MapperOf({PlainSlot("a"), PlainSlot("b")}));
  INFO(parser.status());
  REQUIRE(parser.ok());
  return *std::move(parser);
}

Sample Parse(const SampleFormat& format, std::string_view line) {
  Sample sample;
  const auto status = Parser(format)->Parse(line, &sample);
  INFO(line << ": " << status);
  CHECK(status.ok());
  return sample;
}

std::string ParseError(const SampleFormat& format, std::string_view line) {
  Sample sample;
  const auto status = Parser(format)->Parse(line, &sample);
  INFO(line);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return MessageOf(status);
}

// The columns of a line, read byte by byte after the rules of docs/configuration.md. Nothing: the
// line breaks them.
std::optional<std::vector<std::string>> SlowSplit(const std::string& line,
                                                  const std::string& delimiter,
                                                  bool quoted) {
  std::vector<std::string> columns(1);
  size_t at = 0;
  bool column_begins = true;
  while (at < line.size()) {
    if (quoted && column_begins && line[at] == '"') {
      ++at;
      while (true) {
        if (at == line.size()) {
          return std::nullopt;
        }
        if (line[at] != '"') {
          columns.back() += line[at++];
        } else if (at + 1 < line.size() && line[at + 1] == '"') {
          columns.back() += '"';
          at += 2;
        } else {
          ++at;
          break;
        }
      }
      if (at != line.size() && line.compare(at, delimiter.size(), delimiter) != 0) {
        return std::nullopt;
      }
      column_begins = false;
    } else if (line.compare(at, delimiter.size(), delimiter) == 0) {
      columns.emplace_back();
      at += delimiter.size();
      column_begins = true;
    } else {
      columns.back() += line[at++];
      column_begins = false;
    }
  }
  return columns;
}

}  // namespace

TEST_CASE("a line becomes label, weight, time and features", "[sample]") {
  SampleFormat format = {.columns = {"time", "a", "rating", "w", "b", "unused"},
                         .label_column = "rating",
                         .positive_at_least = 4.0,
                         .weight_column = "w",
                         .event_time_column = "time"};
  Sample sample = Parse(format, "964982703,1,4.0,0.5,Drama,x");
  CHECK(sample.label == 1.0F);
  CHECK(sample.weight == 0.5F);
  CHECK(sample.event_time_ms == 964982703000);
  CHECK(KeysOf(sample.features) == std::vector<freshet::Key>{KeyOf("a", "1"), KeyOf("b", "Drama")});
  CHECK(sample.features[1].slot == 1);

  format.time_unit = SampleFormat::TimeUnit::kMilliseconds;
  sample = Parse(format, "964982703,,3.9,2,,");
  CHECK(sample.label == 0.0F);
  CHECK(sample.event_time_ms == 964982703);
  CHECK(sample.features.empty());
}

TEST_CASE("a sample that is used again keeps nothing of the line before", "[sample]") {
  const auto parser = Parser(SmallFormat());
  Sample sample;
  REQUIRE(parser->Parse("1,x,y", &sample).ok());
  REQUIRE(parser->Parse("0,z,", &sample).ok());
  CHECK(sample.label == 0.0F);
  CHECK(KeysOf(sample.features) == std::vector<freshet::Key>{KeyOf("a", "z")});
}

TEST_CASE("several slots may read one column, and the label's column too", "[sample]") {
  auto first = PlainSlot("first");
  first.set_column("x");
  auto second = PlainSlot("second");
  second.set_column("x");
  const SampleFormat format = {.columns = {"x"}, .label_column = "x"};
  const auto parser = MakeSampleParser(format, MapperOf({first, second}));
  REQUIRE(parser.ok());
  Sample sample;
  REQUIRE((*parser)->Parse("1", &sample).ok());
  CHECK(sample.label == 1.0F);
  CHECK(KeysOf(sample.features) ==
        std::vector<freshet::Key>{KeyOf("first", "1"), KeyOf("second", "1")});
}

TEST_CASE("delimiters of several characters are taken whole", "[sample]") {
  SampleFormat format = SmallFormat();
  format.delimiter = "::";
  CHECK(KeysOf(Parse(format, "1::a:b::c").features) ==
        std::vector<freshet::Key>{KeyOf("a", "a:b"), KeyOf("b", "c")});
  // From the left: the third colon belongs to the column behind it.
  CHECK(KeysOf(Parse(format, "1::a:::c").features) ==
        std::vector<freshet::Key>{KeyOf("a", "a"), KeyOf("b", ":c")});
}

TEST_CASE("quotes are text unless the format is quoted", "[sample]") {
  SampleFormat format = SmallFormat();
  CHECK(KeysOf(Parse(format, R"(1,"a",b"c)").features) ==
        std::vector<freshet::Key>{KeyOf("a", R"("a")"), KeyOf("b", R"(b"c)")});
  format.quoted = true;
  CHECK(KeysOf(Parse(format, R"("1","a, ""b""",b"c)").features) ==
        std::vector<freshet::Key>{KeyOf("a", R"(a, "b")"), KeyOf("b", R"(b"c)")});
  CHECK(Parse(format, R"(1,"","")").features.empty());
}

TEST_CASE("bad lines say what is wrong, and in which column", "[sample]") {
  SampleFormat format = SmallFormat();
  CHECK(ParseError(format, "") == "the line is empty; it must have 3 columns");
  CHECK(ParseError(format, "1,x") == "the line has 2 columns between ',', not 3: '1,x'");
  CHECK(ParseError(format, "1,x,y,z") == "the line has 4 columns between ',', not 3: '1,x,y,z'");
  CHECK(ParseError(format, "2,x,y") == "column 1 'label': the label must be 0 or 1, got '2'");
  CHECK(ParseError(format, "-1,x,y") == "column 1 'label': the label must be 0 or 1, got '-1'");
  CHECK(ParseError(format, ",x,y") == "column 1 'label': the label must be 0 or 1, got ''");

  format.positive_at_least = 4;
  CHECK(ParseError(format, "good,x,y") ==
        "column 1 'label': the label must be a number, got 'good'");
  format.weight_column = "a";
  CHECK(ParseError(format, "1,-1,y") ==
        "column 2 'a': the weight must be a number of at least 0, got '-1'");
  CHECK(ParseError(format, "1,1e39,y") ==
        "column 2 'a': the weight must be a number of at least 0, got '1e39'");
  format.event_time_column = "b";
  CHECK(ParseError(format, "1,1,today") ==
        "column 3 'b': the event time must be Unix time in seconds, got 'today'");
}

TEST_CASE("quotes that do not close where a column ends are refused", "[sample]") {
  SampleFormat format = SmallFormat();
  format.quoted = true;
  for (const char* line : {R"(1,"a,b)", R"(1,"a"b,c)", R"(1,",b)", R"(1,"a"",b)", R"(1,a,")"}) {
    CHECK(ParseError(format, line)
              .find("the closing quote is missing, or not at the end of the column") !=
          std::string::npos);
  }
}

TEST_CASE("a slot that cannot read its column is named", "[sample]") {
  auto slot = PlainSlot("count");
  slot.set_log_bucket(true);
  const auto parser =
      MakeSampleParser({.columns = {"label", "count"}, .label_column = "label"}, MapperOf({slot}));
  REQUIRE(parser.ok());
  Sample sample;
  CHECK(MessageOf((*parser)->Parse("1,many", &sample)) ==
        "column 2 'count': slot 'count' needs a number, got 'many'");
}

TEST_CASE("formats whose columns are not there are refused", "[sample]") {
  const auto error_of = [](const SampleFormat& format) {
    return MessageOf(MakeSampleParser(format, MapperOf({PlainSlot("a"), PlainSlot("b")})).status());
  };
  SampleFormat format = SmallFormat();
  format.label_column = "lable";
  CHECK(error_of(format) == "the label names no column: 'lable'; did you mean 'label'?");
  format = SmallFormat();
  format.weight_column = "w";
  CHECK(error_of(format).starts_with("the weight names no column: 'w'"));
  format = SmallFormat();
  format.event_time_column = "t";
  CHECK(error_of(format).starts_with("the event time names no column: 't'"));
  format = SmallFormat();
  format.columns = {"label", "a"};
  CHECK(error_of(format) == "slot 'b' names no column: 'b'; known: label, a");
  format = SmallFormat();
  format.delimiter = "";
  CHECK(error_of(format) == "the delimiter is empty");
}

TEST_CASE("random lines are split as a slow reader splits them", "[sample]") {
  const auto seed = GENERATE(take(1, random(1U, 1'000'000'000U)));
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const bool quoted = GENERATE(false, true);
  const std::string delimiter = GENERATE(",", "::");
  SampleFormat format = SmallFormat();
  format.quoted = quoted;
  format.delimiter = delimiter;
  const auto parser = Parser(format);
  const std::vector<std::string> pieces = {",", ":", "::", "\"", "\"\"", "x", "\xc3\xa9", " "};
  Sample sample;
  int good = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string line = "1" + delimiter;
    for (size_t left = random() % 12; left > 0; --left) {
      line += pieces[random() % pieces.size()];
    }
    INFO(line);
    const auto columns = SlowSplit(line, delimiter, quoted);
    const auto status = parser->Parse(line, &sample);
    REQUIRE(status.ok() == (columns.has_value() && columns->size() == 3));
    if (status.ok()) {
      std::vector<freshet::Key> expected;
      for (const size_t column : {1U, 2U}) {
        if (!(*columns)[column].empty()) {
          expected.push_back(KeyOf(format.columns[column], (*columns)[column]));
        }
      }
      REQUIRE(KeysOf(sample.features) == expected);
      ++good;
    }
  }
  CHECK(good > 100);  // or the test tests nothing
}
