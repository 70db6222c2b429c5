#include "common/job/optimizer_config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "common/check.h"
#include "common/job/schedule_config.h"
#include "common/model/optimizer_limits.h"

namespace freshet {
namespace {

// kDecay: above 0, at most 1.
enum class Range { kAboveZero, kNotNegative, kBelowOne, kDecay, kAny, kFlag };

constexpr float kNoLimit = std::numeric_limits<float>::max();

// Named as in proto/model.proto. One that is absent from the file and has no default is left unset
// there.
struct Setting {
  std::string name;
  std::optional<float> default_value;
  Range range;
  float most = kNoLimit;
};

struct Kind {
  std::string name;
  std::vector<Setting> settings;
};

std::vector<Setting> AdamSettings() {
  return {{"learning_rate", 0.001F, Range::kAboveZero, kMaxLearningRate},
          {"beta1", 0.9F, Range::kBelowOne},
          {"beta2", 0.999F, Range::kBelowOne},
          {"epsilon", 1e-8F, Range::kAboveZero}};
}

std::vector<Setting> FtrlSettings() {
  return {{"learning_rate", 0.05F, Range::kAboveZero, kMaxLearningRate},
          {"beta", 1.0F, Range::kNotNegative, kMaxFtrlStrength},
          {"l1", 0.0F, Range::kNotNegative, kMaxFtrlStrength},
          {"l2", 0.0F, Range::kNotNegative, kMaxFtrlStrength}};
}

std::vector<Setting> With(std::vector<Setting> settings, const Setting& another) {
  settings.push_back(another);
  return settings;
}

const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kinds = {
      {"sgd", {{"learning_rate", 0.01F, Range::kAboveZero, kMaxLearningRate}}},
      {"momentum",
       {{"learning_rate", 0.01F, Range::kAboveZero, kMaxLearningRate},
        {"momentum", 0.9F, Range::kBelowOne},
        {"nesterov", std::nullopt, Range::kFlag}}},
      {"adagrad",
       {{"learning_rate", 0.05F, Range::kAboveZero, kMaxLearningRate},
        {"initial_accumulator", 0.1F, Range::kNotNegative},
        {"epsilon", 1e-8F, Range::kNotNegative},
        {"row_wise", std::nullopt, Range::kFlag},
        {"accumulator_decay", std::nullopt, Range::kDecay}}},
      {"rmsprop",
       {{"learning_rate", 0.01F, Range::kAboveZero, kMaxLearningRate},
        {"decay", 0.99F, Range::kBelowOne},
        {"epsilon", 1e-8F, Range::kAboveZero},
        {"momentum", std::nullopt, Range::kBelowOne},
        {"centered", std::nullopt, Range::kFlag}}},
      {"ftrl", FtrlSettings()},
      {"group_lasso_ftrl",
       With(FtrlSettings(), {"l21", 0.0F, Range::kNotNegative, kMaxFtrlStrength})},
      {"adam", AdamSettings()},
      {"adamw", With(AdamSettings(), {"weight_decay", 0.01F, Range::kNotNegative})},
      {"ledger", {}},
  };
  return kinds;
}

// Of every kind but ledger, beside the schedule.
const std::vector<Setting>& CommonSettings() {
  static const std::vector<Setting> settings = {
      {"l1", std::nullopt, Range::kNotNegative},
      {"l2", std::nullopt, Range::kNotNegative},
      {"weight_min", std::nullopt, Range::kAny, kMaxWeight},
      {"weight_max", std::nullopt, Range::kAny, kMaxWeight},
      {"clip_value", std::nullopt, Range::kAboveZero},
      {"clip_norm", std::nullopt, Range::kAboveZero},
  };
  return settings;
}

float ReadNumber(const ConfigSection& section, const Setting& setting) {
  float value = setting.default_value.value_or(0.0F);
  section.InRange(
      setting.name, setting.range == Range::kAny ? -setting.most : 0.0F, setting.most, &value);
  if ((setting.range == Range::kAboveZero || setting.range == Range::kDecay) && value <= 0.0F) {
    section.Fail(setting.name, "must be above 0");
  }
  if (setting.range == Range::kBelowOne && value >= 1.0F) {
    section.Fail(setting.name, fmt::format("must be below 1, got {}", value));
  }
  if (setting.range == Range::kDecay && value > 1.0F) {
    section.Fail(setting.name, fmt::format("must be at most 1, got {}", value));
  }
  return value;
}

// Sets the field of the setting's name. What is unset, and what is set to do nothing, stays absent:
// a model that is the same has the same bytes.
void ReadSetting(const ConfigSection& section,
                 const Setting& setting,
                 google::protobuf::Message* message) {
  const auto* field = message->GetDescriptor()->FindFieldByName(setting.name);
  FRESHET_CHECK(field != nullptr);
  if (setting.range == Range::kFlag) {
    bool flag = false;
    section.Optional(setting.name, &flag);
    message->GetReflection()->SetBool(message, field, flag);
    return;
  }
  if (!section.Has(setting.name) && !setting.default_value.has_value()) {
    // Asked for all the same, so that the key is known.
    float nothing = 0.0F;
    section.Optional(setting.name, &nothing);
    return;
  }
  const float value = ReadNumber(section, setting);
  const bool does_nothing = setting.range == Range::kDecay && value == 1.0F;
  if (!does_nothing) {
    message->GetReflection()->SetFloat(message, field, value);
  }
}

bool HasSetting(const std::vector<Setting>& settings, const std::string& name) {
  return std::any_of(settings.begin(), settings.end(), [&](const Setting& setting) {
    return setting.name == name;
  });
}

std::string SettingNames(const Kind& kind) {
  std::string names;
  for (const Setting& setting : kind.settings) {
    names += (names.empty() ? "" : ", ") + setting.name;
  }
  return names.empty() ? "none" : names;
}

// Fails the keys in `section` that are settings of another kind than this one. A ledger has none of
// those that all others have.
void RefuseForeignSettings(const ConfigSection& section, const Kind& kind) {
  const bool ledger = kind.settings.empty();
  for (const std::string& key : section.Keys()) {
    if (HasSetting(kind.settings, key)) {
      continue;
    }
    if (key == "schedule" || HasSetting(CommonSettings(), key)) {
      if (ledger) {
        section.Fail(key, "is no setting of ledger, which has none");
      }
      continue;
    }
    const auto owner = std::find_if(Kinds().begin(), Kinds().end(), [&](const Kind& other) {
      return HasSetting(other.settings, key);
    });
    if (owner != Kinds().end()) {
      section.Fail(key,
                   fmt::format("is a setting of {}; those of {} are: {}",
                               owner->name,
                               kind.name,
                               SettingNames(kind)));
    }
  }
}

void ReadCommonSettings(const ConfigSection& section,
                        const Kind& kind,
                        float learning_rate,
                        proto::Optimizer* optimizer) {
  for (const Setting& setting : CommonSettings()) {
    if (!HasSetting(kind.settings, setting.name)) {
      ReadSetting(section, setting, optimizer);
    }
  }
  if (optimizer->has_weight_min() && optimizer->has_weight_max() &&
      optimizer->weight_min() > optimizer->weight_max()) {
    section.Fail("weight_min",
                 fmt::format("must be at most weight_max, which is {}", optimizer->weight_max()));
  }
  ReadSchedule(section.Section("schedule"), learning_rate, optimizer);
}

// The first step of a row divides by these; with a gradient of 0 that would be 0 / 0.
void RefuseDivisionByZero(const ConfigSection& section, const proto::Optimizer& optimizer) {
  if (optimizer.has_adagrad() && optimizer.adagrad().initial_accumulator() == 0.0F &&
      optimizer.adagrad().epsilon() == 0.0F) {
    section.Fail("epsilon", "must be above 0 when initial_accumulator is 0");
  } else if (optimizer.has_adagrad() && optimizer.adagrad().accumulator_decay() > 0.0F &&
             optimizer.adagrad().epsilon() == 0.0F) {
    section.Fail("epsilon", "must be above 0 when accumulator_decay is below 1");
  }
  const bool divides =
      (optimizer.has_ftrl() && optimizer.ftrl().beta() == 0.0F && optimizer.ftrl().l2() == 0.0F) ||
      (optimizer.has_group_lasso_ftrl() && optimizer.group_lasso_ftrl().beta() == 0.0F &&
       optimizer.group_lasso_ftrl().l2() == 0.0F);
  if (divides) {
    section.Fail("beta", "must be above 0 when l2 is 0");
  }
}

void RefuseDecayBeyondZero(const ConfigSection& section, const proto::AdamW& adamw) {
  if (adamw.learning_rate() * adamw.weight_decay() > 1.0F) {
    section.Fail("weight_decay",
                 "must be at most 1 / learning_rate: a step takes learning_rate * weight_decay of "
                 "the value away");
  }
}

}  // namespace

proto::Optimizer ReadOptimizer(const ConfigSection& section, const std::string& default_kind) {
  std::vector<std::string> names;
  size_t index = 0;
  for (const Kind& kind : Kinds()) {
    index = kind.name == default_kind ? names.size() : index;
    names.push_back(kind.name);
  }
  section.Choice("kind", names, &index);
  const Kind& kind = Kinds()[index];

  proto::Optimizer optimizer;
  const auto* field = proto::Optimizer::descriptor()->FindFieldByName(kind.name);
  FRESHET_CHECK(field != nullptr);
  google::protobuf::Message* settings =
      optimizer.GetReflection()->MutableMessage(&optimizer, field);
  for (const Setting& setting : kind.settings) {
    ReadSetting(section, setting, settings);
  }
  RefuseForeignSettings(section, kind);
  if (!kind.settings.empty()) {
    const auto* rate = settings->GetDescriptor()->FindFieldByName("learning_rate");
    ReadCommonSettings(
        section, kind, settings->GetReflection()->GetFloat(*settings, rate), &optimizer);
  }
  RefuseDivisionByZero(section, optimizer);
  RefuseDecayBeyondZero(section, optimizer.adamw());
  return optimizer;
}

}  // namespace freshet
