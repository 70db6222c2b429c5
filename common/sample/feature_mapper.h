#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/sample/sample.h"
#include "common/status.h"
#include "proto/model.pb.h"

namespace freshet {

// Turns raw values into features, in the one way that training and serving share: split at the
// slot's separator, put numbers into buckets, hash (common/key.h), weigh by the combiner. An empty
// value stands for the slot's default, or makes no feature. docs/configuration.md tells the rules
// of each kind of slot.
// Immutable after construction.
class FeatureMapper {
 public:
  static StatusOr<FeatureMapper> Make(const proto::ModelSpec& model);

  size_t slot_count() const { return slots_.size(); }

  const proto::Slot& slot(size_t index) const { return slots_[index].spec; }

  // InvalidArgument names the nearest slot.
  StatusOr<size_t> SlotIndex(std::string_view name) const;

  // Appends the features of `raw` in `slot`. InvalidArgument: not a number where the slot needs
  // one, or the slot is a cross.
  Status Map(size_t slot, std::string_view raw, std::vector<Feature>* features) const;

  // The same of several values: pieces of text, each as a separator would have cut it off.
  Status MapSeveral(size_t slot,
                    std::span<const std::string_view> raw,
                    std::vector<Feature>* features) const;

  bool has_crosses() const { return !crosses_.empty(); }

  // Slots that read no column: AddCrosses makes their features.
  bool IsCross(size_t slot) const { return slots_[slot].spec.cross_size() > 0; }

  // Appends the features of all crosses, made from those of a sample, or of a side of it, that
  // stand in *features from `begin` on.
  void AddCrosses(size_t begin, std::vector<Feature>* features) const;

 private:
  struct SlotState {
    proto::Slot spec;
    uint64_t seed = 0;
    bool plain = true;  // neither default, nor limit, nor combiner
    bool text = true;   // and the whole value is hashed as it is: most slots
  };

  struct Cross {
    uint16_t slot = 0;
    uint16_t first = 0;
    uint16_t second = 0;
  };

  Status FindCrosses();
  void Finish(const proto::Slot& spec, size_t begin, std::vector<Feature>* features) const;

  std::vector<SlotState> slots_;
  std::vector<Cross> crosses_;
};

}  // namespace freshet
