#include "common/sample/json_parser.h"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "common/sample/label.h"
#include "common/sample/number.h"

namespace freshet {
namespace {

constexpr size_t kArenaBytes = 16U << 10U;

// A column, as the names that lead to it.
std::vector<std::string> PathOf(const std::string& column) {
  std::vector<std::string> path;
  size_t begin = 0;
  for (size_t dot = column.find('.'); dot != std::string::npos; dot = column.find('.', begin)) {
    path.push_back(column.substr(begin, dot - begin));
    begin = dot + 1;
  }
  path.push_back(column.substr(begin));
  return path;
}

// What stands there; null if nothing does.
const rapidjson::Value* Find(const rapidjson::Value& object, const std::vector<std::string>& path) {
  const rapidjson::Value* at = &object;
  for (const std::string& name : path) {
    if (!at->IsObject()) {
      return nullptr;
    }
    const rapidjson::Value key(
        rapidjson::StringRef(name.data(), static_cast<rapidjson::SizeType>(name.size())));
    const auto member = at->FindMember(key);
    if (member == at->MemberEnd()) {
      return nullptr;
    }
    at = &member->value;
  }
  return at->IsNull() ? nullptr : at;
}

// Numbers are read as text, so that they hash as they are written.
StatusOr<std::string_view> TextOf(const rapidjson::Value& value) {
  if (value.IsString()) {
    return std::string_view(value.GetString(), value.GetStringLength());
  }
  if (value.IsBool()) {
    return std::string_view(value.GetBool() ? "1" : "0");
  }
  return InvalidArgument("it must be text, a number, true, false, or an array of these");
}

class JsonParser final : public SampleParser {
 public:
  JsonParser(const SampleFormat& format, const FeatureMapper& mapper)
      : mapper_(mapper),
        label_rule_{.positive_at_least = format.positive_at_least},
        time_unit_(format.time_unit),
        label_(PathOf(format.label_column)),
        label_name_(format.label_column),
        weight_name_(format.weight_column),
        time_name_(format.event_time_column) {
    if (!weight_name_.empty()) {
      weight_ = PathOf(weight_name_);
    }
    if (!time_name_.empty()) {
      time_ = PathOf(time_name_);
    }
    for (size_t slot = 0; slot < mapper.slot_count(); ++slot) {
      if (!mapper.IsCross(slot)) {
        slots_.push_back({.slot = slot,
                          .name = mapper.slot(slot).column(),
                          .path = PathOf(mapper.slot(slot).column())});
      }
    }
  }

  Status Parse(std::string_view line, Sample* sample) const override {
    sample->weight = 1.0F;
    sample->event_time_ms = 0;
    sample->features.clear();
    // No allocation for lines of the usual size.
    char arena[kArenaBytes];
    rapidjson::MemoryPoolAllocator<> allocator(arena, sizeof(arena));
    rapidjson::Document document(&allocator);
    constexpr unsigned kFlags =
        rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseIterativeFlag;
    document.Parse<kFlags>(line.data(), line.size());
    if (document.HasParseError()) {
      return InvalidArgument("no JSON, near byte {} of the line: {}",
                             document.GetErrorOffset(),
                             rapidjson::GetParseError_En(document.GetParseError()));
    }
    if (!document.IsObject()) {
      return InvalidArgument("the line must be a JSON object, got {}", Excerpt(line));
    }
    FRESHET_RETURN_IF_ERROR(Annotate(TakeLabel(document, sample), In(label_name_)));
    FRESHET_RETURN_IF_ERROR(Annotate(TakeWeight(document, sample), In(weight_name_)));
    FRESHET_RETURN_IF_ERROR(Annotate(TakeTime(document, sample), In(time_name_)));
    for (const SlotPath& slot : slots_) {
      FRESHET_RETURN_IF_ERROR(Annotate(TakeSlot(document, slot, sample), In(slot.name)));
    }
    if (mapper_.has_crosses()) {
      mapper_.AddCrosses(0, &sample->features);
    }
    return absl::OkStatus();
  }

 private:
  struct SlotPath {
    size_t slot = 0;
    std::string name;
    std::vector<std::string> path;
  };

  static std::string In(const std::string& name) { return "member '" + name + "'"; }

  Status TakeLabel(const rapidjson::Value& object, Sample* sample) const {
    const rapidjson::Value* const value = Find(object, label_);
    if (value == nullptr) {
      return InvalidArgument("the label is missing");
    }
    FRESHET_ASSIGN_OR_RETURN(const std::string_view text, TextOf(*value));
    FRESHET_ASSIGN_OR_RETURN(sample->label, label_rule_.Read(text));
    return absl::OkStatus();
  }

  Status TakeWeight(const rapidjson::Value& object, Sample* sample) const {
    const rapidjson::Value* const value = weight_.empty() ? nullptr : Find(object, weight_);
    if (value == nullptr) {
      return absl::OkStatus();
    }
    FRESHET_ASSIGN_OR_RETURN(const std::string_view text, TextOf(*value));
    double weight = 0.0;
    if (!ParseNumber(text, &weight) || weight < 0.0 || !std::isfinite(static_cast<float>(weight))) {
      return InvalidArgument("the weight must be a number of at least 0, got {}", Excerpt(text));
    }
    sample->weight = static_cast<float>(weight);
    return absl::OkStatus();
  }

  Status TakeTime(const rapidjson::Value& object, Sample* sample) const {
    if (time_.empty()) {
      return absl::OkStatus();
    }
    const rapidjson::Value* const value = Find(object, time_);
    if (value == nullptr) {
      return InvalidArgument("the event time is missing");
    }
    FRESHET_ASSIGN_OR_RETURN(const std::string_view text, TextOf(*value));
    if (!ParseEventTime(text, time_unit_, &sample->event_time_ms)) {
      return InvalidArgument(
          "the event time must be Unix time in {}, got {}",
          time_unit_ == SampleFormat::TimeUnit::kSeconds ? "seconds" : "milliseconds",
          Excerpt(text));
    }
    return absl::OkStatus();
  }

  Status TakeSlot(const rapidjson::Value& object, const SlotPath& slot, Sample* sample) const {
    const rapidjson::Value* const value = Find(object, slot.path);
    if (value == nullptr) {
      return mapper_.Map(slot.slot, "", &sample->features);
    }
    if (!value->IsArray()) {
      FRESHET_ASSIGN_OR_RETURN(const std::string_view text, TextOf(*value));
      return mapper_.Map(slot.slot, text, &sample->features);
    }
    std::vector<std::string_view> texts;
    for (const rapidjson::Value& element : value->GetArray()) {
      FRESHET_ASSIGN_OR_RETURN(const std::string_view text, TextOf(element));
      texts.push_back(text);
    }
    return mapper_.MapSeveral(slot.slot, texts, &sample->features);
  }

  const FeatureMapper mapper_;
  const LabelRule label_rule_;
  const SampleFormat::TimeUnit time_unit_;
  const std::vector<std::string> label_;
  const std::string label_name_;
  const std::string weight_name_;
  const std::string time_name_;
  std::vector<std::string> weight_;
  std::vector<std::string> time_;
  std::vector<SlotPath> slots_;
};

}  // namespace

StatusOr<std::unique_ptr<SampleParser>> MakeJsonParser(const SampleFormat& format,
                                                       const FeatureMapper& mapper) {
  if (format.label_column.empty()) {
    return InvalidArgument("the label has no column");
  }
  return std::make_unique<JsonParser>(format, mapper);
}

}  // namespace freshet
