#include "ps/count_check.h"

#include <catch2/catch.hpp>
#include <limits>

#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

proto::PushRequest TwoRuns() {
  proto::PushRequest request;
  request.set_worker(4);
  request.set_sequence(9);
  proto::KeyRun* run = request.add_runs();
  run->set_keys(2);
  run = request.add_runs();
  run->set_variable(1);
  run->set_keys(1);
  return request;
}

TEST_CASE("counts of samples are good", "[ps]") {
  const std::vector<Key> keys = {1, 2, 3};
  const std::vector<KeyCount> counts = {
      {.shows = 1.0F}, {.shows = 5.0F, .clicks = 5.0F}, {.shows = KeyCount::kMost, .clicks = 0.0F}};
  CHECK(CheckCounts(test::SmallModel(), TwoRuns(), keys, counts).ok());
}

TEST_CASE("a bad count is refused with its worker, variable and key", "[ps]") {
  const KeyCount bad = GENERATE(KeyCount{-1.0F, 0.0F},
                                KeyCount{-1.0F, -2.0F},
                                KeyCount{1.0F, -0.5F},
                                KeyCount{1.0F, 1.5F},
                                KeyCount{kNan, 0.0F},
                                KeyCount{1.0F, kNan},
                                KeyCount{kInfinity, 0.0F},
                                KeyCount{kInfinity, kInfinity},
                                KeyCount{1.0F, -kInfinity},
                                KeyCount{2 * KeyCount::kMost, 0.0F});
  const std::vector<Key> keys = {1, 2, 0xabc};
  const size_t at = GENERATE(size_t{0}, size_t{2});
  std::vector<KeyCount> counts(3);
  counts[at] = bad;
  const Status status = CheckCounts(test::SmallModel(), TwoRuns(), keys, counts);
  CHECK(absl::IsInvalidArgument(status));
  CHECK(MessageOf(status) ==
        fmt::format("push 9 of worker 4: embedding variable {} has {} shows and {} clicks for key "
                    "{:016x}, must be whole numbers, 1 <= shows <= 2^24 and 0 <= clicks <= shows",
                    at == 0 ? "weights" : "ledger",
                    bad.shows,
                    bad.clicks,
                    keys[at]));
}

}  // namespace
}  // namespace freshet::ps
