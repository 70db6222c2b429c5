#include "common/sample/feature_mapper.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "common/config/nearest.h"
#include "common/sample/number.h"

namespace freshet {
namespace {

// Keys are hashes of these texts, and keys are persisted: none of this can ever change.

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

Status MapOne(const proto::Slot& slot,
              uint64_t seed,
              uint16_t index,
              std::string_view value,
              std::vector<Feature>* features) {
  if (value.empty()) {
    return absl::OkStatus();
  }
  Feature feature{.slot = index};
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
    mapper.slots_.push_back({.spec = slot, .seed = SlotSeed(slot.name())});
  }
  return mapper;
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

Status FeatureMapper::Map(size_t slot, std::string_view raw, std::vector<Feature>* features) const {
  const proto::Slot& spec = slots_[slot].spec;
  const uint64_t seed = slots_[slot].seed;
  const auto index = static_cast<uint16_t>(slot);
  const std::string& separator = spec.separator();
  if (!separator.empty()) {
    for (size_t end = raw.find(separator); end != std::string_view::npos;
         end = raw.find(separator)) {
      FRESHET_RETURN_IF_ERROR(MapOne(spec, seed, index, raw.substr(0, end), features));
      raw.remove_prefix(end + separator.size());
    }
  }
  return MapOne(spec, seed, index, raw, features);
}

}  // namespace freshet
