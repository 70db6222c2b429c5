#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/sample/sample.h"
#include "common/status.h"
#include "proto/model.pb.h"

namespace freshet {

// Turns raw values into features, in the one way that training and serving share: split at the
// slot's separator, put numbers into buckets, hash (common/key.h). An empty value makes no feature.
// docs/configuration.md tells the rules of each kind of slot.
// Immutable after construction.
class FeatureMapper {
 public:
  static StatusOr<FeatureMapper> Make(const proto::ModelSpec& model);

  size_t slot_count() const { return slots_.size(); }

  const proto::Slot& slot(size_t index) const { return slots_[index].spec; }

  // InvalidArgument names the nearest slot.
  StatusOr<size_t> SlotIndex(std::string_view name) const;

  // Appends the features of `raw` in `slot`. InvalidArgument: not a number, in a bucketised slot.
  Status Map(size_t slot, std::string_view raw, std::vector<Feature>* features) const;

 private:
  struct SlotState {
    proto::Slot spec;
    uint64_t seed = 0;
  };

  std::vector<SlotState> slots_;
};

}  // namespace freshet
