#include "common/stream/record_ends.h"

#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <string>

namespace freshet {
namespace {

using Framing = FileStreamOptions::Framing;

// Records in a row; *ends gets where each ends.
std::string RandomRecords(Framing framing, std::mt19937& random, std::set<size_t>* ends) {
  std::string text;
  for (int i = 0; i < 30; ++i) {
    const std::string record(random() % (i % 10 == 0 ? 40'000 : 300), 'x');
    if (framing == Framing::kMessages) {
      AppendMessageLength(record.size(), &text);
      text += record;
    } else {
      text += record + "\n";
    }
    ends->insert(text.size());
  }
  return text;
}

}  // namespace

TEST_CASE("the last end of a record is found, however the stream is cut into pieces", "[stream]") {
  const Framing framing = GENERATE(Framing::kLines, Framing::kMessages);
  const auto seed = GENERATE(range(0U, 20U));
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::set<size_t> ends;
  const std::string text = RandomRecords(framing, random, &ends);
  RecordEnds finder(framing);
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = std::min<size_t>(text.size() - at, 1 + random() % (seed < 10 ? 3 : 5000));
    const auto last = finder.Last(std::string_view(text).substr(at, bytes));
    const auto behind = ends.upper_bound(at + bytes);
    const size_t expected = behind == ends.begin() ? 0 : *std::prev(behind);
    REQUIRE(last.has_value() == (expected > at));
    if (last) {
      REQUIRE(at + *last == expected);
    }
    at += bytes;
  }
}

TEST_CASE("no record ends behind a length that is none", "[stream]") {
  RecordEnds finder(Framing::kMessages);
  CHECK(finder.Last(std::string("\x01x\xff\xff\xff\xff\xff\x01x", 9)) == 2U);
  CHECK_FALSE(finder.Last(std::string("\x01x\x01x", 4)).has_value());
}

}  // namespace freshet
