#include "common/sample/protobuf_parser.h"

#include <google/protobuf/arena.h>

#include <charconv>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/sample/label.h"
#include "common/sample/number.h"
#include "proto/sample.pb.h"

namespace freshet {
namespace {

constexpr size_t kArenaBytes = 16U << 10U;
constexpr size_t kMostDigits = 24;  // of an int64 or the shortest text of a float
constexpr int64_t kMostMilliseconds = 100'000LL * 366 * 24 * 3600 * 1000;

// Numbers as text, in memory of their own. Requests for scores bring the same texts.
class NumberTexts {
 public:
  template <typename Numbers>
  explicit NumberTexts(const Numbers& numbers)
      : digits_(static_cast<size_t>(numbers.size()) * kMostDigits, '\0') {
    char* at = digits_.data();
    for (const auto number : numbers) {
      const auto [end, error] = std::to_chars(at, at + kMostDigits, number);
      texts_.emplace_back(at, static_cast<size_t>(end - at));
      at += kMostDigits;
    }
  }

  const std::vector<std::string_view>& texts() const { return texts_; }

 private:
  std::string digits_;
  std::vector<std::string_view> texts_;
};

class ProtobufParser final : public SampleParser {
 public:
  ProtobufParser(const SampleFormat& format, const FeatureMapper& mapper)
      : mapper_(mapper),
        label_rule_{.positive_at_least = format.positive_at_least},
        needs_time_(!format.event_time_column.empty()) {
    for (size_t slot = 0; slot < mapper.slot_count(); ++slot) {
      if (!mapper.IsCross(slot)) {
        const auto [column, added] = columns_.emplace(mapper.slot(slot).column(), columns_.size());
        slots_.push_back({.slot = slot, .column = column->second});
      }
    }
  }

  Status Parse(std::string_view record, Sample* sample) const override {
    sample->features.clear();
    if (record.empty()) {
      return InvalidArgument(
          "the message is empty: longer than stream.max_record_bytes, cut off by the end of the "
          "file, or written without a label");
    }
    // No allocation for messages of the usual size.
    alignas(std::max_align_t) char block[kArenaBytes];
    google::protobuf::ArenaOptions options;
    options.initial_block = block;
    options.initial_block_size = sizeof(block);
    google::protobuf::Arena arena(options);
    auto& message = *google::protobuf::Arena::CreateMessage<proto::Sample>(&arena);
    if (!message.ParseFromArray(record.data(), static_cast<int>(record.size()))) {
      return InvalidArgument("no message of proto/sample.proto, {} bytes", record.size());
    }
    FRESHET_RETURN_IF_ERROR(TakeHead(message, sample));
    FRESHET_RETURN_IF_ERROR(TakeColumns(message, sample));
    if (mapper_.has_crosses()) {
      mapper_.AddCrosses(0, &sample->features);
    }
    return absl::OkStatus();
  }

 private:
  struct SlotColumn {
    size_t slot = 0;
    size_t column = 0;  // as columns_ numbers them
  };

  Status TakeHead(const proto::Sample& message, Sample* sample) const {
    if (!message.has_label()) {
      return InvalidArgument("the label is missing: it must be set also when it is 0");
    }
    FRESHET_ASSIGN_OR_RETURN(sample->label, label_rule_.Read(NumberText(message.label())));
    sample->weight = message.has_weight() ? message.weight() : 1.0F;
    if (!std::isfinite(sample->weight) || sample->weight < 0.0F) {
      return InvalidArgument("the weight must be a number of at least 0, got {}", sample->weight);
    }
    if (needs_time_ && !message.has_event_time_ms()) {
      return InvalidArgument("the event time is missing");
    }
    sample->event_time_ms = message.event_time_ms();
    if (sample->event_time_ms > kMostMilliseconds || sample->event_time_ms < -kMostMilliseconds) {
      return InvalidArgument("the event time must be Unix time in milliseconds, got {}",
                             sample->event_time_ms);
    }
    return absl::OkStatus();
  }

  Status TakeColumns(const proto::Sample& message, Sample* sample) const {
    std::vector<const proto::Column*> found(columns_.size());
    for (const proto::Column& column : message.columns()) {
      const auto known = columns_.find(column.name());
      if (known == columns_.end()) {
        continue;
      }
      if (found[known->second] != nullptr) {
        return InvalidArgument("column '{}' is there twice", column.name());
      }
      found[known->second] = &column;
    }
    for (const SlotColumn& slot : slots_) {
      const proto::Column* const column = found[slot.column];
      FRESHET_RETURN_IF_ERROR(column == nullptr ? mapper_.Map(slot.slot, "", &sample->features)
                                                : Annotate(TakeSlot(*column, slot.slot, sample),
                                                           "column '" + column->name() + "'"));
    }
    return absl::OkStatus();
  }

  Status TakeSlot(const proto::Column& column, size_t slot, Sample* sample) const {
    const int kinds = (column.ids().empty() ? 0 : 1) + (column.texts().empty() ? 0 : 1) +
                      (column.numbers().empty() ? 0 : 1);
    if (kinds > 1) {
      return InvalidArgument("its values must be of one kind: ids, texts or numbers");
    }
    if (!column.ids().empty()) {
      return mapper_.MapSeveral(slot, NumberTexts(column.ids()).texts(), &sample->features);
    }
    if (!column.numbers().empty()) {
      return mapper_.MapSeveral(slot, NumberTexts(column.numbers()).texts(), &sample->features);
    }
    const std::vector<std::string_view> texts(column.texts().begin(), column.texts().end());
    return mapper_.MapSeveral(slot, texts, &sample->features);
  }

  static std::string NumberText(float number) {
    char text[kMostDigits];
    const auto [end, error] = std::to_chars(text, text + sizeof(text), number);
    return {text, static_cast<size_t>(end - text)};
  }

  const FeatureMapper mapper_;
  const LabelRule label_rule_;
  const bool needs_time_;
  std::map<std::string, size_t, std::less<>> columns_;  // that slots read, numbered
  std::vector<SlotColumn> slots_;
};

}  // namespace

StatusOr<std::unique_ptr<SampleParser>> MakeProtobufParser(const SampleFormat& format,
                                                           const FeatureMapper& mapper) {
  return std::make_unique<ProtobufParser>(format, mapper);
}

}  // namespace freshet
