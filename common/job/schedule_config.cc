#include "common/job/schedule_config.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace freshet {
namespace {

using Schedule = proto::LearningRateSchedule;

constexpr uint64_t kMaxSteps = uint64_t{1} << 53U;  // a double counts them

struct Kind {
  Schedule::Kind kind;
  std::string name;
  std::vector<std::string> settings;  // beside warmup_steps
};

const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kinds = {
      {Schedule::CONSTANT, "constant", {}},
      {Schedule::STEP, "step", {"decay_steps", "decay_rate"}},
      {Schedule::EXPONENTIAL, "exponential", {"decay_steps", "decay_rate"}},
      {Schedule::POLYNOMIAL, "polynomial", {"decay_steps", "power", "end_learning_rate"}},
      {Schedule::COSINE, "cosine", {"decay_steps", "end_learning_rate"}},
      {Schedule::INVERSE_SQRT, "inverse_sqrt", {"decay_steps"}},
  };
  return kinds;
}

bool Has(const Kind& kind, const std::string& setting) {
  return std::count(kind.settings.begin(), kind.settings.end(), setting) > 0;
}

std::string SettingNames(const Kind& kind) {
  std::string names = "warmup_steps";
  for (const std::string& name : kind.settings) {
    names += ", " + name;
  }
  return names;
}

void RefuseForeignSettings(const ConfigSection& section, const Kind& kind) {
  for (const std::string& key : section.Keys()) {
    const auto owner = std::find_if(
        Kinds().begin(), Kinds().end(), [&](const Kind& other) { return Has(other, key); });
    if (owner != Kinds().end() && !Has(kind, key)) {
      section.Fail(key,
                   fmt::format("is a setting of {}; those of {} are: {}",
                               owner->name,
                               kind.name,
                               SettingNames(kind)));
    }
  }
}

void ReadDecaySteps(const ConfigSection& section, Schedule* schedule) {
  uint64_t steps = 0;
  section.InRange("decay_steps", uint64_t{1}, kMaxSteps, &steps);
  if (!section.Has("decay_steps")) {
    if (schedule->kind() == Schedule::INVERSE_SQRT && schedule->warmup_steps() > 0) {
      steps = schedule->warmup_steps();
    } else {
      section.Fail("decay_steps",
                   schedule->kind() == Schedule::INVERSE_SQRT ? "is missing, as is warmup_steps"
                                                              : "is missing");
    }
  }
  schedule->set_decay_steps(steps);
}

void ReadDecayRate(const ConfigSection& section, Schedule* schedule) {
  float rate = 0.5F;
  section.InRange("decay_rate", 0.0F, 1.0F, &rate);
  if (rate == 0.0F) {
    section.Fail("decay_rate", "must be above 0");
  }
  schedule->set_decay_rate(rate);
}

void ReadPower(const ConfigSection& section, Schedule* schedule) {
  constexpr float kMaxPower = 100.0F;
  float power = 1.0F;
  section.InRange("power", 0.0F, kMaxPower, &power);
  if (power == 0.0F) {
    section.Fail("power", "must be above 0");
  }
  schedule->set_power(power);
}

void ReadEnd(const ConfigSection& section, float learning_rate, Schedule* schedule) {
  float end = 0.0F;
  section.InRange("end_learning_rate", 0.0F, std::numeric_limits<float>::max(), &end);
  if (end > learning_rate) {
    section.Fail("end_learning_rate",
                 fmt::format("must be at most learning_rate, which is {}", learning_rate));
  }
  schedule->set_end_learning_rate(end);
}

}  // namespace

void ReadSchedule(const ConfigSection& section, float learning_rate, proto::Optimizer* optimizer) {
  std::vector<std::string> names;
  for (const Kind& kind : Kinds()) {
    names.push_back(kind.name);
  }
  size_t index = 0;
  section.Choice("kind", names, &index);
  const Kind& kind = Kinds()[index];
  Schedule schedule;
  schedule.set_kind(kind.kind);
  uint64_t warmup_steps = 0;
  section.InRange("warmup_steps", uint64_t{0}, kMaxSteps, &warmup_steps);
  schedule.set_warmup_steps(warmup_steps);
  if (Has(kind, "decay_steps")) {
    ReadDecaySteps(section, &schedule);
  }
  if (Has(kind, "decay_rate")) {
    ReadDecayRate(section, &schedule);
  }
  if (Has(kind, "power")) {
    ReadPower(section, &schedule);
  }
  if (Has(kind, "end_learning_rate")) {
    ReadEnd(section, learning_rate, &schedule);
  }
  RefuseForeignSettings(section, kind);
  if (schedule.ByteSizeLong() > 0) {
    *optimizer->mutable_schedule() = schedule;
  }
}

}  // namespace freshet
