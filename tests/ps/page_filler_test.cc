#include "ps/page_filler.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "ps/mapped_array.h"

namespace freshet::ps {
namespace {

// Memory that is filled ahead is still zero where nobody wrote, and keeps what was written, however
// it grows, moves and shrinks at the same time.
TEST_CASE("page filler: an array that is filled ahead is no different from one that is not") {
  constexpr size_t kMost = size_t{6} << 20U;
  std::mt19937_64 random(17);
  MappedArray<uint64_t> array;
  std::vector<uint64_t> expected;
  for (int round = 0; round < 60; ++round) {
    const size_t size = random() % kMost;
    array.Resize(size);
    if (size < expected.size()) {
      // Pages beyond are given back; the rest of the last page is not.
      constexpr size_t kPageElements = 4096 / sizeof(uint64_t);
      const size_t whole = (size + kPageElements - 1) / kPageElements * kPageElements;
      for (size_t i = size; i < std::min(whole, expected.size()); ++i) {
        array.data()[i] = 0;
      }
    }
    expected.resize(size);
    array.FillAhead(random() % (size + 1), size);
    for (int i = 0; i < 200 && size > 0; ++i) {
      const size_t at = random() % size;
      REQUIRE(array[at] == expected[at]);
      expected[at] = array[at] = random();
    }
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    if (array[i] != expected[i]) {
      FAIL("element " << i);
    }
  }
}

}  // namespace
}  // namespace freshet::ps
