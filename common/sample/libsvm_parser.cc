#include "common/sample/libsvm_parser.h"

#include <cmath>
#include <functional>
#include <map>
#include <string>

#include "common/sample/label.h"
#include "common/sample/number.h"

namespace freshet {
namespace {

bool IsBlank(char c) {
  return c == ' ' || c == '\t';
}

// Cuts the next word off `rest`; empty at the end. Words are short: a loop beats a search.
std::string_view NextWord(std::string_view* rest) {
  const char* begin = rest->data();
  const char* const line_end = begin + rest->size();
  while (begin != line_end && IsBlank(*begin)) {
    ++begin;
  }
  const char* end = begin;
  while (end != line_end && !IsBlank(*end)) {
    ++end;
  }
  rest->remove_prefix(static_cast<size_t>(end - rest->data()));
  return {begin, static_cast<size_t>(end - begin)};
}

class LibsvmParser final : public SampleParser {
 public:
  LibsvmParser(const SampleFormat& format, const FeatureMapper& mapper)
      : mapper_(mapper),
        label_rule_{.positive_at_least = format.positive_at_least, .minus_one = true},
        has_fields_(format.kind == SampleFormat::Kind::kLibffm) {
    for (size_t slot = 0; has_fields_ && slot < mapper.slot_count(); ++slot) {
      if (!mapper.IsCross(slot)) {
        slots_.emplace(mapper.slot(slot).column(), slot);
      }
    }
  }

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
      FRESHET_RETURN_IF_ERROR(has_fields_ ? AddOfField(word, sample) : AddFeature(0, word, sample));
    }
    if (mapper_.has_crosses()) {
      mapper_.AddCrosses(0, &sample->features);
    }
    return absl::OkStatus();
  }

 private:
  Status AddOfField(std::string_view word, Sample* sample) const {
    const size_t colon = word.find(':');
    if (colon == 0 || colon == std::string_view::npos) {
      return InvalidArgument("a feature must be field:index:value, got {}", Excerpt(word));
    }
    const auto slot = slots_.find(word.substr(0, colon));
    return slot == slots_.end() ? absl::OkStatus()
                                : AddFeature(slot->second, word.substr(colon + 1), sample);
  }

  Status AddFeature(size_t slot, std::string_view word, Sample* sample) const {
    size_t colon = 0;
    while (colon < word.size() && word[colon] >= '0' && word[colon] <= '9') {
      ++colon;
    }
    const std::string_view index = word.substr(0, colon);
    double value = 0.0;
    if (index.empty() || colon == word.size() || word[colon] != ':' ||
        !ParseNumber(word.substr(colon + 1), &value) || !std::isfinite(static_cast<float>(value))) {
      return InvalidArgument("a feature must be index:value, two numbers, got {}", Excerpt(word));
    }
    if (value == 0.0) {
      return absl::OkStatus();  // the same as a feature that is not there
    }
    FRESHET_RETURN_IF_ERROR(mapper_.Map(slot, index, &sample->features));
    sample->features.back().value = static_cast<float>(value);
    return absl::OkStatus();
  }

  const FeatureMapper mapper_;
  const LabelRule label_rule_;
  const bool has_fields_;
  std::map<std::string, size_t, std::less<>> slots_;  // by field
};

Status CheckPlain(const proto::Slot& slot) {
  const bool plain = slot.separator().empty() && slot.buckets_size() == 0 && !slot.log_bucket() &&
                     slot.numeric() == proto::Slot::NONE && slot.default_value().empty() &&
                     slot.combiner() == proto::Slot::SUM;
  return plain ? absl::OkStatus()
               : InvalidArgument(
                     "slot '{}': features of libsvm and libffm come split and with values; the "
                     "slot must be plain",
                     slot.name());
}

}  // namespace

StatusOr<std::unique_ptr<SampleParser>> MakeLibsvmParser(const SampleFormat& format,
                                                         const FeatureMapper& mapper) {
  const bool has_fields = format.kind == SampleFormat::Kind::kLibffm;
  if (!has_fields && mapper.slot_count() != 1) {
    return InvalidArgument("libsvm samples have one slot, the model has {}", mapper.slot_count());
  }
  for (size_t i = 0; i < mapper.slot_count(); ++i) {
    FRESHET_RETURN_IF_ERROR(CheckPlain(mapper.slot(i)));
  }
  return std::make_unique<LibsvmParser>(format, mapper);
}

}  // namespace freshet
