#include "ps/life/sweep.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

namespace freshet::ps {
namespace {

TEST_CASE("a clock that stands still or goes back judges nothing", "[ps][life]") {
  CHECK(RangesToJudge(5, 5, 10).empty());
  CHECK(RangesToJudge(6, 5, 10).empty());
  CHECK(RangesToJudge(5, 6, 0).empty());
}

TEST_CASE("a clock that jumps judges everything once", "[ps][life]") {
  const std::vector<HashRange> all = {{.begin = 0, .end_inclusive = UINT64_MAX}};
  CHECK(RangesToJudge(3, 13, 10) == all);
  CHECK(RangesToJudge(0, UINT64_MAX, 10) == all);
  CHECK(RangesToJudge(7, 8, 1) == all);
}

TEST_CASE("slices are where the header says", "[ps][life]") {
  constexpr uint64_t kQuarter = uint64_t{1} << 62U;
  CHECK(RangesToJudge(0, 1, 4) == std::vector<HashRange>{{0, kQuarter - 1}});
  CHECK(RangesToJudge(5, 7, 4) == std::vector<HashRange>{{kQuarter, 3 * kQuarter - 1}});
  CHECK(RangesToJudge(7, 8, 4) == std::vector<HashRange>{{3 * kQuarter, UINT64_MAX}});
  CHECK(RangesToJudge(7, 9, 4) ==
        std::vector<HashRange>{{3 * kQuarter, UINT64_MAX}, {0, kQuarter - 1}});
  CHECK(RangesToJudge(0, 1, 3) == std::vector<HashRange>{{0, 0x5555555555555555U}});
}

// However the steps come in: after as many steps as there are slices, all was judged once.
TEST_CASE("each turn of the clock judges each hash once", "[ps][life]") {
  for (const uint64_t seed : {1, 2, 3, 4, 5}) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto slices = static_cast<uint32_t>(1 + random() % (seed % 2 == 0 ? 7 : UINT32_MAX));
    uint64_t step = random() >> 2U;
    const uint64_t first = step;
    std::vector<HashRange> judged;
    while (step < first + slices) {
      const uint64_t next = std::min(first + slices, step + 1 + random() % (slices / 5 + 1));
      for (const HashRange& range : RangesToJudge(step, next, slices)) {
        judged.push_back(range);
      }
      step = next;
    }
    std::sort(judged.begin(), judged.end(), [](const HashRange& a, const HashRange& b) {
      return a.begin < b.begin;
    });
    uint64_t begin = 0;
    for (const HashRange& range : judged) {
      REQUIRE(range.begin == begin);
      REQUIRE(range.end_inclusive >= range.begin);
      begin = range.end_inclusive + 1;
    }
    REQUIRE(begin == 0);  // past the last hash
  }
}

}  // namespace
}  // namespace freshet::ps
