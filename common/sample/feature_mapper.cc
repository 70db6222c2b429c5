#include "common/sample/feature_mapper.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "common/config/nearest.h"
#include "common/sample/number.h"

namespace freshet {
namespace {

// Keys are hashes of these texts, and keys are persisted: none of this can ever change.

// The one key of a numeric slot.
constexpr std::string_view kNumericText = "#";

// Of a pair of features.
Key CrossKey(uint64_t seed, Key first, Key second) {
  std::array<char, 2 * sizeof(Key)> text;
  for (size_t i = 0; i < sizeof(Key); ++i) {  // little endian on every machine
    text[i] = static_cast<char>(first >> (8 * i));
    text[sizeof(Key) + i] = static_cast<char>(second >> (8 * i));
  }
  return HashKey(seed, {text.data(), text.size()});
}

Key HashWhole(uint64_t seed, int64_t whole, std::string_view prefix) {
  char text[32];
  char* begin = std::copy(prefix.begin(), prefix.end(), text);
  const auto [end, error] = std::to_chars(begin, text + sizeof(text), whole);
  return HashKey(seed, {text, static_cast<size_t>(end - text)});
}

// The index of the first boundary greater than x, in decimal.
Key BucketKey(const proto::Slot& slot, uint64_t seed, double x) {
  const auto& buckets = slot.buckets();
  const auto above = std::upper_bound(buckets.begin(), buckets.end(), x);
  return HashWhole(seed, above - buckets.begin(), "");
}

// floor(log(x)^2) in decimal above 2, else "=" and floor(x): the sign keeps the small counts, which
// tell most, from sharing a key with larger ones (log(3)^2 is 1.2).
Key LogBucketKey(uint64_t seed, double x) {
  if (x > 2.0) {
    const double log = std::log(x);
    return HashWhole(seed, static_cast<int64_t>(std::floor(log * log)), "");
  }
  constexpr double kLeast = -9007199254740992.0;  // -2^53: below, doubles are no longer whole
  return HashWhole(seed, static_cast<int64_t>(std::floor(std::max(x, kLeast))), "=");
}

Status CheckSlot(const proto::Slot& slot) {
  if (slot.name().empty()) {
    return InvalidArgument("a slot has no name");
  }
  const bool bucketised = slot.log_bucket() || slot.buckets_size() > 0;
  if (slot.numeric() != proto::Slot::NONE && (bucketised || !slot.separator().empty())) {
    return InvalidArgument(
        "slot '{}': a numeric slot has one number, and neither buckets nor separator", slot.name());
  }
  if (slot.cross_size() > 0 &&
      (bucketised || slot.numeric() != proto::Slot::NONE || !slot.separator().empty() ||
       !slot.default_value().empty() || slot.combiner() != proto::Slot::SUM)) {
    return InvalidArgument("slot '{}': a cross has no value of its own to transform", slot.name());
  }
  if (slot.log_bucket() && slot.buckets_size() > 0) {
    return InvalidArgument("slot '{}' has both buckets and log_bucket", slot.name());
  }
  for (int i = 0; i < slot.buckets_size(); ++i) {
    if (!std::isfinite(slot.buckets(i)) || (i > 0 && slot.buckets(i) <= slot.buckets(i - 1))) {
      return InvalidArgument("slot '{}': buckets must be finite and grow, but entry {} is {}",
                             slot.name(),
                             i + 1,
                             slot.buckets(i));
    }
  }
  return absl::OkStatus();
}

// The value of a numeric slot.
float NumericValue(proto::Slot::Numeric numeric, double number) {
  return static_cast<float>(
      numeric == proto::Slot::LOG ? std::copysign(std::log1p(std::abs(number)), number) : number);
}

Status MapOne(const proto::Slot& slot,
              uint64_t seed,
              uint16_t index,
              std::string_view value,
              std::vector<Feature>* features) {
  if (value.empty()) {
    return absl::OkStatus();
  }
  Feature feature{.slot = index};
  if (slot.numeric() != proto::Slot::NONE) {
    double number = 0.0;
    if (!ParseNumber(value, &number)) {
      return InvalidArgument("slot '{}' needs a number, got {}", slot.name(), Excerpt(value));
    }
    feature.key = HashKey(seed, kNumericText);
    feature.value = NumericValue(slot.numeric(), number);
    if (!std::isfinite(feature.value)) {
      return InvalidArgument("slot '{}': {} is beyond all float32", slot.name(), Excerpt(value));
    }
    if (feature.value != 0.0F) {  // else the same as a feature that is not there
      features->push_back(feature);
    }
    return absl::OkStatus();
  }
  if (!slot.log_bucket() && slot.buckets_size() == 0) {
    feature.key = HashKey(seed, value);
  } else {
    double number = 0.0;
    if (!ParseNumber(value, &number)) {
      return InvalidArgument("slot '{}' needs a number, got {}", slot.name(), Excerpt(value));
    }
    feature.key = slot.log_bucket() ? LogBucketKey(seed, number) : BucketKey(slot, seed, number);
  }
  features->push_back(feature);
  return absl::OkStatus();
}

}  // namespace

StatusOr<FeatureMapper> FeatureMapper::Make(const proto::ModelSpec& model) {
  constexpr int kMaxSlots = std::numeric_limits<uint16_t>::max();
  if (model.slots_size() > kMaxSlots) {
    return InvalidArgument("a model has at most {} slots, got {}", kMaxSlots, model.slots_size());
  }
  FeatureMapper mapper;
  std::set<std::string> names;
  for (const proto::Slot& slot : model.slots()) {
    FRESHET_RETURN_IF_ERROR(CheckSlot(slot));
    if (!names.insert(slot.name()).second) {
      return InvalidArgument("two slots are named '{}'", slot.name());
    }
    const bool plain = slot.default_value().empty() && slot.max_length() == 0 &&
                       slot.combiner() == proto::Slot::SUM;
    const bool text = plain && slot.cross_size() == 0 && slot.separator().empty() &&
                      !slot.log_bucket() && slot.buckets_size() == 0 &&
                      slot.numeric() == proto::Slot::NONE;
    mapper.slots_.push_back(
        {.spec = slot, .seed = SlotSeed(slot.name()), .plain = plain, .text = text});
  }
  FRESHET_RETURN_IF_ERROR(mapper.FindCrosses());
  return mapper;
}

Status FeatureMapper::FindCrosses() {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const proto::Slot& slot = slots_[i].spec;
    if (slot.cross_size() == 0) {
      continue;
    }
    if (slot.cross_size() != 2 || slot.cross(0) == slot.cross(1)) {
      return InvalidArgument("slot '{}' must cross two different slots", slot.name());
    }
    FRESHET_ASSIGN_OR_RETURN(const size_t first, SlotIndex(slot.cross(0)));
    FRESHET_ASSIGN_OR_RETURN(const size_t second, SlotIndex(slot.cross(1)));
    for (const size_t crossed : {first, second}) {
      if (IsCross(crossed)) {
        return InvalidArgument(
            "slot '{}' crosses '{}', a cross itself", slot.name(), slots_[crossed].spec.name());
      }
      if (slots_[crossed].spec.side() != slot.side()) {
        return InvalidArgument(
            "slot '{}' crosses '{}', which is of the other side: serving sees the sides apart",
            slot.name(),
            slots_[crossed].spec.name());
      }
    }
    crosses_.push_back({.slot = static_cast<uint16_t>(i),
                        .first = static_cast<uint16_t>(first),
                        .second = static_cast<uint16_t>(second)});
  }
  return absl::OkStatus();
}

void FeatureMapper::AddCrosses(size_t begin, std::vector<Feature>* features) const {
  const size_t end = features->size();
  for (const Cross& cross : crosses_) {
    for (size_t i = begin; i < end; ++i) {
      if ((*features)[i].slot != cross.first) {
        continue;
      }
      for (size_t j = begin; j < end; ++j) {
        if ((*features)[j].slot == cross.second) {
          features->push_back(
              {.key = CrossKey(slots_[cross.slot].seed, (*features)[i].key, (*features)[j].key),
               .value = (*features)[i].value * (*features)[j].value,
               .slot = cross.slot});
        }
      }
    }
  }
}

// What a slot does with all its features of a sample.
void FeatureMapper::Finish(const proto::Slot& spec,
                           size_t begin,
                           std::vector<Feature>* features) const {
  const auto first = features->begin() + static_cast<std::ptrdiff_t>(begin);
  size_t count = features->size() - begin;
  if (spec.max_length() > 0 && count > spec.max_length()) {
    const auto excess = static_cast<std::ptrdiff_t>(count - spec.max_length());
    if (spec.keep_first()) {
      features->erase(features->end() - excess, features->end());
    } else {
      features->erase(first, first + excess);
    }
    count = spec.max_length();
  }
  if (spec.combiner() == proto::Slot::SUM || count < 2) {
    return;
  }
  const auto values = static_cast<float>(count);
  const float weight = 1.0F / (spec.combiner() == proto::Slot::MEAN ? values : std::sqrt(values));
  for (size_t i = begin; i < features->size(); ++i) {
    (*features)[i].value *= weight;
  }
}

StatusOr<size_t> FeatureMapper::SlotIndex(std::string_view name) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].spec.name() == name) {
      return i;
    }
  }
  std::vector<std::string> names;
  for (const SlotState& slot : slots_) {
    names.push_back(slot.spec.name());
  }
  return InvalidArgument("no slot is named {}; {}", Excerpt(name), Suggestion(name, names));
}

Status FeatureMapper::MapSeveral(size_t slot,
                                 std::span<const std::string_view> raw,
                                 std::vector<Feature>* features) const {
  if (raw.empty()) {
    return Map(slot, "", features);
  }
  const SlotState& state = slots_[slot];
  if (raw.size() > 1 && state.spec.numeric() != proto::Slot::NONE) {
    return InvalidArgument(
        "slot '{}' has one number, got {} of them", state.spec.name(), raw.size());
  }
  const size_t begin = features->size();
  for (const std::string_view value : raw) {
    FRESHET_RETURN_IF_ERROR(
        MapOne(state.spec, state.seed, static_cast<uint16_t>(slot), value, features));
  }
  if (!state.plain) {
    Finish(state.spec, begin, features);
  }
  return absl::OkStatus();
}

Status FeatureMapper::Map(size_t slot, std::string_view raw, std::vector<Feature>* features) const {
  const proto::Slot& spec = slots_[slot].spec;
  const uint64_t seed = slots_[slot].seed;
  const auto index = static_cast<uint16_t>(slot);
  if (slots_[slot].text) {
    if (!raw.empty()) {
      features->push_back({.key = HashKey(seed, raw), .slot = index});
    }
    return absl::OkStatus();
  }
  const size_t begin = features->size();
  if (IsCross(slot)) {
    return InvalidArgument("slot '{}' is a cross of '{}' and '{}': it has no values of its own",
                           spec.name(),
                           spec.cross(0),
                           spec.cross(1));
  }
  if (raw.empty()) {
    raw = spec.default_value();
  }
  const std::string& separator = spec.separator();
  if (!separator.empty()) {
    for (size_t end = raw.find(separator); end != std::string_view::npos;
         end = raw.find(separator)) {
      FRESHET_RETURN_IF_ERROR(MapOne(spec, seed, index, raw.substr(0, end), features));
      raw.remove_prefix(end + separator.size());
    }
  }
  FRESHET_RETURN_IF_ERROR(MapOne(spec, seed, index, raw, features));
  if (!slots_[slot].plain) {
    Finish(spec, begin, features);
  }
  return absl::OkStatus();
}

}  // namespace freshet
