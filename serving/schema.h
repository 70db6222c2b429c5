#pragma once
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/sample/feature_mapper.h"
#include "common/sample/sample.h"
#include "common/status.h"
#include "proto/model.pb.h"

namespace freshet::serving {

// An input column, and the slots of one side that read it.
struct Field {
  std::string column;
  std::vector<size_t> slots;
};

// What a model expects of a request: which fields a context and an item may have, and which
// features they become. Immutable after construction.
class Schema {
 public:
  // InvalidArgument if the model is not one that this program understands.
  static StatusOr<std::shared_ptr<const Schema>> Make(const proto::ModelSpec& model);

  const proto::ModelSpec& model() const { return model_; }

  const FeatureMapper& mapper() const { return mapper_; }

  const std::vector<Field>& fields(proto::Slot::Side side) const {
    return side == proto::Slot::CONTEXT ? context_ : item_;
  }

  // All but ledger have scores.
  bool has_scores() const { return !is_ledger(); }

  // lr and fm: a score is an inner product of a context's side and an item's, each summed apart.
  bool has_sides() const { return has_sides_; }

  // Length of a side's vector: k of fm, 0 of all others.
  uint32_t factors() const { return factors_; }

  bool is_ledger() const { return model_.kind() == "ledger"; }

  // InvalidArgument names the nearest field, or the side that the field belongs to.
  StatusOr<const Field*> FindField(proto::Slot::Side side, std::string_view column) const;

  // Appends the features of `raw`. InvalidArgument says what is wrong with it.
  Status Map(const Field& field, std::string_view raw, std::vector<Feature>* features) const;

  // Appends what a side has beside the fields that were given and mapped, from `begin` on: defaults
  // of those that were not, and crosses. InvalidArgument: a default does not fit its slot.
  Status FinishSide(proto::Slot::Side side,
                    const std::set<const Field*>& given,
                    size_t begin,
                    std::vector<Feature>* features) const;

  // What a logit of training is to be raised by: negative samples were left out.
  float logit_shift() const { return logit_shift_; }

 private:
  Schema(const proto::ModelSpec& model, FeatureMapper mapper);

  Status CheckVariables();

  const proto::ModelSpec model_;
  const FeatureMapper mapper_;
  std::vector<Field> context_;
  std::vector<Field> item_;
  bool has_sides_ = false;
  bool has_defaults_ = false;
  float logit_shift_ = 0.0F;
  uint32_t factors_ = 0;
};

// "context" or "item": as errors and answers call it.
const char* SideName(proto::Slot::Side side);

}  // namespace freshet::serving
