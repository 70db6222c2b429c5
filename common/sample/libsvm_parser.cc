#include "common/sample/libsvm_parser.h"

#include <algorithm>
#include <cmath>

#include "common/sample/label.h"
#include "common/sample/number.h"

namespace freshet {
namespace {

constexpr std::string_view kBlanks = " \t";

// Cuts the next word off `rest`; empty at the end.
std::string_view NextWord(std::string_view* rest) {
  const size_t begin = std::min(rest->find_first_not_of(kBlanks), rest->size());
  const size_t end = std::min(rest->find_first_of(kBlanks, begin), rest->size());
  const std::string_view word = rest->substr(begin, end - begin);
  rest->remove_prefix(end);
  return word;
}

class LibsvmParser final : public SampleParser {
 public:
  LibsvmParser(const SampleFormat& format, const FeatureMapper& mapper)
      : mapper_(mapper),
        label_rule_{.positive_at_least = format.positive_at_least, .minus_one = true} {}

  Status Parse(std::string_view line, Sample* sample) const override {
    sample->weight = 1.0F;
    sample->event_time_ms = 0;
    sample->features.clear();
    std::string_view rest = line.substr(0, line.find('#'));
    const std::string_view label = NextWord(&rest);
    if (label.empty()) {
      return InvalidArgument("the line has no label");
    }
    FRESHET_ASSIGN_OR_RETURN(sample->label, label_rule_.Read(label));
    for (std::string_view word = NextWord(&rest); !word.empty(); word = NextWord(&rest)) {
      FRESHET_RETURN_IF_ERROR(AddFeature(word, sample));
    }
    return absl::OkStatus();
  }

 private:
  Status AddFeature(std::string_view word, Sample* sample) const {
    const size_t colon = word.find(':');
    const std::string_view index = word.substr(0, colon);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    double value = 0.0;
    if (colon == std::string_view::npos || index.empty() ||
        !std::all_of(index.begin(), index.end(), is_digit) ||
        !ParseNumber(word.substr(colon + 1), &value) || !std::isfinite(static_cast<float>(value))) {
      return InvalidArgument("a feature must be index:value, two numbers, got {}", Excerpt(word));
    }
    if (value == 0.0) {
      return absl::OkStatus();  // the same as a feature that is not there
    }
    FRESHET_RETURN_IF_ERROR(mapper_.Map(0, index, &sample->features));
    sample->features.back().value = static_cast<float>(value);
    return absl::OkStatus();
  }

  const FeatureMapper mapper_;
  const LabelRule label_rule_;
};

}  // namespace

StatusOr<std::unique_ptr<SampleParser>> MakeLibsvmParser(const SampleFormat& format,
                                                         const FeatureMapper& mapper) {
  if (mapper.slot_count() != 1) {
    return InvalidArgument("libsvm samples have one slot, the model has {}", mapper.slot_count());
  }
  const proto::Slot& slot = mapper.slot(0);
  if (!slot.separator().empty() || slot.buckets_size() > 0 || slot.log_bucket() ||
      slot.numeric() != proto::Slot::NONE) {
    return InvalidArgument(
        "slot '{}': libsvm samples come split and with values; the slot must be plain",
        slot.name());
  }
  return std::make_unique<LibsvmParser>(format, mapper);
}

}  // namespace freshet
