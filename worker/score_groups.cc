#include "worker/score_groups.h"

#include "common/sample/feature_mapper.h"

namespace freshet::worker {

StatusOr<ScoreGroups> ScoreGroups::Make(const EvaluationSettings& settings,
                                        const proto::ModelSpec& model) {
  ScoreGroups groups;
  FRESHET_ASSIGN_OR_RETURN(const FeatureMapper mapper, FeatureMapper::Make(model));
  if (!settings.group_by.empty()) {
    FRESHET_ASSIGN_OR_RETURN(const size_t slot, mapper.SlotIndex(settings.group_by));
    groups.group_slot_ = static_cast<uint16_t>(slot);
  }
  for (size_t i = 0; i < settings.slices.size(); ++i) {
    const EvaluationSettings::Slice& slice = settings.slices[i];
    FRESHET_ASSIGN_OR_RETURN(const size_t slot, mapper.SlotIndex(slice.slot));
    std::vector<Feature> features;
    FRESHET_RETURN_IF_ERROR(mapper.Map(slot, slice.value, &features));
    for (const Feature& feature : features) {
      groups.slices_.push_back({.slot = feature.slot, .key = feature.key, .bit = uint32_t{1} << i});
    }
  }
  return groups;
}

ScoreGroups::Membership ScoreGroups::Of(const Batch& batch, size_t sample) const {
  Membership membership;
  const SparseInput& input = batch.inputs[0];
  for (uint32_t e = input.sample_begin[sample]; e < input.sample_begin[sample + 1]; ++e) {
    const uint16_t slot = input.slots[e];
    const Key key = input.keys[input.rows[e]];
    if (group_slot_ && slot == *group_slot_ && !membership.group) {
      membership.group = key;
    }
    for (const SliceKey& slice : slices_) {
      if (slot == slice.slot && key == slice.key) {
        membership.slices |= slice.bit;
      }
    }
  }
  return membership;
}

}  // namespace freshet::worker
