#include "worker/skip_rules.h"

#include <catch2/catch.hpp>

namespace freshet::worker {
namespace {

Sample At(int64_t event_time_ms, std::vector<Feature> features = {}) {
  return {.event_time_ms = event_time_ms, .features = std::move(features)};
}

TEST_CASE("skip rules: by event time, by feature, by both", "[worker]") {
  CHECK(!SkipRules().Skip(At(5)));
  proto::SkipRule time;
  time.set_from_event_time_ms(100);
  time.set_to_event_time_ms(200);
  proto::SkipRule feature;
  feature.set_by_feature(true);
  feature.set_slot(1);
  feature.set_key(7);
  proto::SkipRule both = feature;
  both.set_from_event_time_ms(300);
  both.set_to_event_time_ms(400);

  const SkipRules by_time({time});
  CHECK(!by_time.Skip(At(99)));
  CHECK(by_time.Skip(At(100)));
  CHECK(by_time.Skip(At(199)));
  CHECK(!by_time.Skip(At(200)));

  const SkipRules by_feature({feature});
  CHECK(by_feature.Skip(At(1, {{.key = 3, .slot = 0}, {.key = 7, .slot = 1}})));
  CHECK(!by_feature.Skip(At(1, {{.key = 7, .slot = 0}, {.key = 8, .slot = 1}})));

  const SkipRules by_both({both, time});
  CHECK(!by_both.Skip(At(299, {{.key = 7, .slot = 1}})));
  CHECK(by_both.Skip(At(300, {{.key = 7, .slot = 1}})));
  CHECK(!by_both.Skip(At(300, {{.key = 6, .slot = 1}})));
  CHECK(by_both.Skip(At(150)));
}

}  // namespace
}  // namespace freshet::worker
