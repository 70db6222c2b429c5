#include "worker/score_groups.h"

#include <catch2/catch.hpp>

#include "common/model/batch_builder.h"
#include "common/sample/feature_mapper.h"

namespace freshet::worker {
namespace {

proto::ModelSpec TwoSlots() {
  proto::ModelSpec model;
  model.add_slots()->set_name("user");
  model.add_slots()->set_name("device");
  return model;
}

TEST_CASE("a sample belongs to the slices whose feature it has, and to its group", "[worker]") {
  const proto::ModelSpec model = TwoSlots();
  const FeatureMapper mapper = FeatureMapper::Make(model).value();
  const EvaluationSettings settings{
      .group_by = "user",
      .slices = {{.name = "phones", .slot = "device", .value = "phone"},
                 {.name = "one user", .slot = "user", .value = "u1"}}};
  const ScoreGroups groups = ScoreGroups::Make(settings, model).value();
  CHECK(!groups.empty());
  CHECK(ScoreGroups::Make({}, model)->empty());
  BatchBuilder builder(1);
  for (const auto& [user, device] :
       {std::pair("u1", "phone"), std::pair("u2", "desk"), std::pair("", "phone")}) {
    Sample sample;
    REQUIRE(mapper.Map(0, user, &sample.features).ok());
    REQUIRE(mapper.Map(1, device, &sample.features).ok());
    builder.Add(sample, 0, 0);
  }
  const Batch batch = builder.Take();
  CHECK(groups.Of(batch, 0).slices == 0b11);
  CHECK(groups.Of(batch, 0).group == HashKey(SlotSeed("user"), "u1"));
  CHECK(groups.Of(batch, 1).slices == 0);
  CHECK(groups.Of(batch, 1).group == HashKey(SlotSeed("user"), "u2"));
  CHECK(groups.Of(batch, 2).slices == 0b1);
  CHECK(!groups.Of(batch, 2).group);
  CHECK(!ScoreGroups::Make({.group_by = "usr", .slices = {}}, model).ok());
}

}  // namespace
}  // namespace freshet::worker
