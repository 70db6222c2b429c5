#include "serving/schema.h"

#include <algorithm>
#include <utility>

#include "common/config/nearest.h"
#include "common/model/model.h"

namespace freshet::serving {
namespace {

const Field* FindIn(const std::vector<Field>& fields, std::string_view column) {
  const auto found = std::find_if(
      fields.begin(), fields.end(), [&](const Field& field) { return field.column == column; });
  return found == fields.end() ? nullptr : &*found;
}

}  // namespace

const char* SideName(proto::Slot::Side side) {
  return side == proto::Slot::CONTEXT ? "context" : "item";
}

Schema::Schema(const proto::ModelSpec& model, FeatureMapper mapper)
    : model_(model), mapper_(std::move(mapper)) {
  for (size_t i = 0; i < mapper_.slot_count(); ++i) {
    const proto::Slot& slot = mapper_.slot(i);
    if (mapper_.IsCross(i)) {
      continue;
    }
    has_defaults_ = has_defaults_ || !slot.default_value().empty();
    std::vector<Field>& fields = slot.side() == proto::Slot::CONTEXT ? context_ : item_;
    if (const Field* field = FindIn(fields, slot.column()); field != nullptr) {
      fields[static_cast<size_t>(field - fields.data())].slots.push_back(i);
    } else {
      fields.push_back({.column = slot.column(), .slots = {i}});
    }
  }
}

Status Schema::CheckVariables() {
  FRESHET_RETURN_IF_ERROR(MakeModel(model_).status());
  has_sides_ = model_.kind() == "fm" || model_.kind() == "lr";
  logit_shift_ = LogitShift(model_);
  factors_ = model_.kind() == "fm" ? model_.factors() : 0;
  return absl::OkStatus();
}

StatusOr<std::shared_ptr<const Schema>> Schema::Make(const proto::ModelSpec& model) {
  FRESHET_ASSIGN_OR_RETURN(FeatureMapper mapper, FeatureMapper::Make(model));
  std::shared_ptr<Schema> schema(new Schema(model, std::move(mapper)));
  FRESHET_RETURN_IF_ERROR(schema->CheckVariables());
  return schema;
}

StatusOr<const Field*> Schema::FindField(proto::Slot::Side side, std::string_view column) const {
  if (const Field* field = FindIn(fields(side), column); field != nullptr) {
    return field;
  }
  const auto other = side == proto::Slot::CONTEXT ? proto::Slot::ITEM : proto::Slot::CONTEXT;
  if (FindIn(fields(other), column) != nullptr) {
    return InvalidArgument(
        "field '{}' belongs to the {}, not to the {}", column, SideName(other), SideName(side));
  }
  std::vector<std::string> known;
  for (const Field& field : fields(side)) {
    known.push_back(field.column);
  }
  return InvalidArgument(
      "unknown field '{}' of the {}; {}", column, SideName(side), Suggestion(column, known));
}

Status Schema::FinishSide(proto::Slot::Side side,
                          const std::set<const Field*>& given,
                          size_t begin,
                          std::vector<Feature>* features) const {
  if (has_defaults_) {
    for (const Field& field : fields(side)) {
      if (!given.contains(&field)) {
        FRESHET_RETURN_IF_ERROR(Map(field, "", features));
      }
    }
  }
  mapper_.AddCrosses(begin, features);
  return absl::OkStatus();
}

Status Schema::Map(const Field& field, std::string_view raw, std::vector<Feature>* features) const {
  for (const size_t slot : field.slots) {
    FRESHET_RETURN_IF_ERROR(mapper_.Map(slot, raw, features));
  }
  return absl::OkStatus();
}

}  // namespace freshet::serving
