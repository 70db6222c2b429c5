#include "common/job/optimizer_config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "common/check.h"

namespace freshet {
namespace {

enum class Range { kAboveZero, kNotNegative, kBelowOne };

// Named as in proto/model.proto.
struct Setting {
  std::string name;
  float default_value;
  Range range;
};

struct Kind {
  std::string name;
  std::vector<Setting> settings;
};

const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kinds = {
      {"sgd", {{"learning_rate", 0.01F, Range::kAboveZero}}},
      {"adagrad",
       {{"learning_rate", 0.05F, Range::kAboveZero},
        {"initial_accumulator", 0.1F, Range::kNotNegative},
        {"epsilon", 1e-8F, Range::kNotNegative}}},
      {"ftrl",
       {{"learning_rate", 0.05F, Range::kAboveZero},
        {"beta", 1.0F, Range::kNotNegative},
        {"l1", 0.0F, Range::kNotNegative},
        {"l2", 0.0F, Range::kNotNegative}}},
      {"adam",
       {{"learning_rate", 0.001F, Range::kAboveZero},
        {"beta1", 0.9F, Range::kBelowOne},
        {"beta2", 0.999F, Range::kBelowOne},
        {"epsilon", 1e-8F, Range::kAboveZero}}},
      {"ledger", {}},
  };
  return kinds;
}

float ReadSetting(const ConfigSection& section, const Setting& setting) {
  float value = setting.default_value;
  section.InRange(setting.name, 0.0F, std::numeric_limits<float>::max(), &value);
  if (setting.range == Range::kAboveZero && value <= 0.0F) {
    section.Fail(setting.name, "must be above 0");
  }
  if (setting.range == Range::kBelowOne && value >= 1.0F) {
    section.Fail(setting.name, fmt::format("must be below 1, got {}", value));
  }
  return value;
}

bool HasSetting(const Kind& kind, const std::string& name) {
  return std::any_of(kind.settings.begin(), kind.settings.end(), [&](const Setting& setting) {
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

// Fails the keys in `section` that are settings of another kind than this one.
void RefuseForeignSettings(const ConfigSection& section, const Kind& kind) {
  for (const std::string& key : section.Keys()) {
    const auto owner = std::find_if(
        Kinds().begin(), Kinds().end(), [&](const Kind& other) { return HasSetting(other, key); });
    if (owner != Kinds().end() && !HasSetting(kind, key)) {
      section.Fail(key,
                   fmt::format("is a setting of {}; those of {} are: {}",
                               owner->name,
                               kind.name,
                               SettingNames(kind)));
    }
  }
}

// The first step of a row divides by these; with a gradient of 0 that would be 0 / 0.
void RefuseDivisionByZero(const ConfigSection& section, const proto::Optimizer& optimizer) {
  if (optimizer.has_adagrad() && optimizer.adagrad().initial_accumulator() == 0.0F &&
      optimizer.adagrad().epsilon() == 0.0F) {
    section.Fail("epsilon", "must be above 0 when initial_accumulator is 0");
  }
  if (optimizer.has_ftrl() && optimizer.ftrl().beta() == 0.0F && optimizer.ftrl().l2() == 0.0F) {
    section.Fail("beta", "must be above 0 when l2 is 0");
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
    const auto* setting_field = settings->GetDescriptor()->FindFieldByName(setting.name);
    FRESHET_CHECK(setting_field != nullptr);
    settings->GetReflection()->SetFloat(settings, setting_field, ReadSetting(section, setting));
  }
  RefuseForeignSettings(section, kind);
  RefuseDivisionByZero(section, optimizer);
  return optimizer;
}

}  // namespace freshet
