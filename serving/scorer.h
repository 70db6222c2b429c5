#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "common/model/fm.h"
#include "common/sample/sample.h"
#include "serving/snapshot.h"

namespace freshet::serving {

// The logits of items against one context, under a snapshot of a model that has scores. A key
// without a row contributes nothing.
std::vector<float> LogitsOf(const Snapshot& snapshot,
                            std::span<const Feature> context,
                            std::span<const std::span<const Feature>> items);

// The same, of items of the catalogue.
std::vector<float> LogitsOfItems(const Snapshot& snapshot,
                                 std::span<const Feature> context,
                                 std::span<const uint32_t> items);

// ---- Models that have sides: Schema::has_sides.

// The sum of features. lr is fm without factors.
FmSide SumFeatures(const Snapshot& snapshot, std::span<const Feature> features);

// Scores items against one context:
//   logit = dense bias + bias(context) + bias(item) + <vector(context), vector(item)>
// Borrows the snapshot. One thread at a time.
class Scorer {
 public:
  Scorer(const Snapshot& snapshot, std::span<const Feature> context);

  // The context's vector: what a recall searches with.
  std::span<const float> query() const { return context_.vector(); }

  float Logit(std::span<const Feature> item) const;

  // Of an item of the catalogue.
  float LogitOfItem(uint32_t item) const {
    return constant_ + snapshot_.index().Score(item, query());
  }

 private:
  const Snapshot& snapshot_;
  const FmSide context_;
  const float constant_;
};

}  // namespace freshet::serving
