#pragma once
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "common/sample/feature_mapper.h"

namespace freshet::test {

// A plain slot that reads the column of its name.
inline proto::Slot PlainSlot(const std::string& name) {
  proto::Slot slot;
  slot.set_name(name);
  slot.set_column(name);
  return slot;
}

inline StatusOr<FeatureMapper> MakeMapper(const std::vector<proto::Slot>& slots) {
  proto::ModelSpec model;
  for (const proto::Slot& slot : slots) {
    *model.add_slots() = slot;
  }
  return FeatureMapper::Make(model);
}

inline FeatureMapper MapperOf(const std::vector<proto::Slot>& slots) {
  auto mapper = MakeMapper(slots);
  REQUIRE(mapper.ok());
  return *std::move(mapper);
}

// The key of `text` in the slot `slot`.
inline Key KeyOf(const std::string& slot, const std::string& text) {
  return HashKey(SlotSeed(slot), text);
}

inline std::vector<Key> KeysOf(const std::vector<Feature>& features) {
  std::vector<Key> keys;
  for (const Feature& feature : features) {
    keys.push_back(feature.key);
  }
  return keys;
}

}  // namespace freshet::test
