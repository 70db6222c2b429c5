#include "common/version_log/part_layout.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>
#include <utility>

#include "common/half.h"
#include "common/version_log/serving_values.h"

namespace freshet {
namespace {

using namespace part_columns;  // NOLINT(google-build-using-namespace): names of this file's format

template <typename T>
PartColumn MakeColumn(const std::string& variable,
                      const char* column,
                      TensorType type,
                      const std::vector<uint64_t>& shape,
                      const std::vector<T>& elements) {
  return PartColumn{.info = {.name = variable + "/" + column, .type = type, .shape = shape},
                    .bytes = std::as_bytes(std::span(elements)),
                    .owner = nullptr};
}

// The same of elements that the column keeps itself.
template <typename T>
PartColumn MakeOwnColumn(const std::string& variable,
                         const char* column,
                         TensorType type,
                         const std::vector<uint64_t>& shape,
                         std::vector<T> elements) {
  const auto owned = std::make_shared<const std::vector<T>>(std::move(elements));
  PartColumn made = MakeColumn(variable, column, type, shape, *owned);
  made.owner = owned;
  return made;
}

template <typename T>
PartColumn MakeLifeColumn(const std::string& variable,
                          const char* column,
                          TensorType type,
                          const std::vector<FeatureLife>& lives,
                          T FeatureLife::*member) {
  std::vector<T> elements(lives.size());
  for (size_t i = 0; i < lives.size(); ++i) {
    elements[i] = lives[i].*member;
  }
  return MakeOwnColumn(variable, column, type, {lives.size()}, std::move(elements));
}

// The rows' values as halves that widen to exactly the same bits.
template <typename Narrow, typename Widen>
StatusOr<std::vector<uint16_t>> Narrowed(const EmbeddingRows& rows, Narrow narrow, Widen widen) {
  constexpr size_t kBlock = 4096;
  std::vector<uint16_t> halves(rows.values.size());
  std::vector<float> back(std::min(kBlock, halves.size()));
  for (size_t begin = 0; begin < halves.size(); begin += kBlock) {
    const size_t count = std::min(kBlock, halves.size() - begin);
    const auto values = std::span(rows.values).subspan(begin, count);
    narrow(values, std::span(halves).subspan(begin, count));
    widen(std::span<const uint16_t>(halves).subspan(begin, count), std::span(back).first(count));
    for (size_t i = 0; i < count; ++i) {
      if (std::bit_cast<uint32_t>(values[i]) != std::bit_cast<uint32_t>(back[i])) {
        return InvalidArgument("variable '{}': value {} of key {:016x} is {}, which is no {}",
                               rows.variable,
                               (begin + i) % rows.dim,
                               rows.keys[(begin + i) / rows.dim],
                               values[i],
                               proto::ValueType_Name(rows.value_type));
      }
    }
  }
  return halves;
}

}  // namespace

StatusOr<PartLayout> PartLayout::Make(const PartContents& contents) {
  PartLayout layout;
  for (const EmbeddingRows& rows : contents.embeddings) {
    FRESHET_RETURN_IF_ERROR(layout.AddEmbedding(rows));
  }
  for (const DenseTensor& tensor : contents.dense) {
    layout.serving_.push_back(MakeColumn(tensor.variable,
                                         kDenseValues,
                                         TensorType::kF32,
                                         {tensor.shape.begin(), tensor.shape.end()},
                                         tensor.values));
    if (!tensor.states.empty()) {
      layout.others_.push_back(MakeColumn(
          tensor.variable, kDenseStates, TensorType::kF32, {tensor.states.size()}, tensor.states));
    }
  }
  return layout;
}

Status PartLayout::AddEmbedding(const EmbeddingRows& rows) {
  const std::string& variable = rows.variable;
  const uint64_t count = rows.keys.size();
  serving_.push_back(MakeColumn(variable, kKeys, TensorType::kU64, {count}, rows.keys));
  serving_.push_back(MakeColumn(
      variable, kTombstones, TensorType::kU64, {rows.tombstones.size()}, rows.tombstones));
  FRESHET_RETURN_IF_ERROR(AddValues(rows));
  if (!rows.served.empty()) {
    uses_format_2_ = true;
    serving_.push_back(MakeColumn(variable, kServed, TensorType::kU8, {count}, rows.served));
  }
  if (rows.state_dim > 0) {
    others_.push_back(
        MakeColumn(variable, kStates, TensorType::kF32, {count, rows.state_dim}, rows.states));
  }
  others_.push_back(
      MakeColumn(variable, kFrequencies, TensorType::kU32, {count}, rows.frequencies));
  others_.push_back(
      MakeColumn(variable, kLastUpdates, TensorType::kU32, {count}, rows.last_updates));
  AddLives(variable, kLives, rows.lives);
  AddCandidates(rows);
  if (const size_t blocks = rows.filter.blocks.size(); blocks > 0) {
    uses_format_2_ = true;
    others_.push_back(
        MakeColumn(variable, kFilterBlocks, TensorType::kU64, {blocks}, rows.filter.blocks));
    others_.push_back(MakeColumn(variable,
                                 kFilterCounters,
                                 TensorType::kU8,
                                 {blocks, FilterBlocks::kBlockBytes},
                                 rows.filter.counters));
  }
  if (rows.clock != StreamClock()) {
    uses_format_2_ = true;
    others_.push_back(MakeOwnColumn(variable,
                                    kClock,
                                    TensorType::kU64,
                                    {2},
                                    std::vector{rows.clock.step, rows.clock.event_time_s}));
  }
  return absl::OkStatus();
}

void PartLayout::AddServingValues(const EmbeddingRows& rows) {
  const std::vector<uint64_t> shape = {rows.keys.size(), rows.dim};
  uses_format_3_ = true;
  if (rows.serving_values == proto::HALVES) {
    serving_.push_back(MakeOwnColumn(
        rows.variable, kServingValues, TensorType::kF16, shape, ServingHalves(rows.values)));
    return;
  }
  Int8Rows quantized = QuantizeRows(rows.values, rows.dim);
  serving_.push_back(MakeOwnColumn(
      rows.variable, kServingValues, TensorType::kI8, shape, std::move(quantized.values)));
  serving_.push_back(MakeOwnColumn(rows.variable,
                                   kServingScales,
                                   TensorType::kF32,
                                   {rows.keys.size()},
                                   std::move(quantized.scales)));
}

Status PartLayout::AddValues(const EmbeddingRows& rows) {
  // Of values that are stored in 16 bits no further half is made.
  const bool halves_are_there = rows.value_type != proto::F32;
  const bool beside = rows.serving_values == proto::INT8 ||
                      (rows.serving_values == proto::HALVES && !halves_are_there);
  if (beside) {
    AddServingValues(rows);
  }
  Columns& columns = beside ? others_ : serving_;
  const std::vector<uint64_t> shape = {rows.keys.size(), rows.dim};
  TensorType type = TensorType::kF32;
  StatusOr<std::vector<uint16_t>> halves;
  switch (rows.value_type) {
    case proto::F32:
      columns.push_back(MakeColumn(rows.variable, kValues, type, shape, rows.values));
      return absl::OkStatus();
    case proto::F16:
      type = TensorType::kF16;
      halves = Narrowed(
          rows,
          [](auto values, auto into) { ToF16(values, into); },
          [](auto from, auto into) { FromF16(from, into); });
      break;
    case proto::BF16:
      type = TensorType::kBf16;
      halves = Narrowed(
          rows,
          [](auto values, auto into) { ToBf16(values, into); },
          [](auto from, auto into) { FromBf16(from, into); });
      break;
    default:
      return InvalidArgument("variable '{}': no value type has the number {}",
                             rows.variable,
                             static_cast<int>(rows.value_type));
  }
  FRESHET_RETURN_IF_ERROR(halves.status());
  uses_format_2_ = true;
  columns.push_back(MakeOwnColumn(rows.variable, kValues, type, shape, *std::move(halves)));
  return absl::OkStatus();
}

void PartLayout::AddCandidates(const EmbeddingRows& rows) {
  const CandidateRows& candidates = rows.candidates;
  const uint64_t count = candidates.keys.size();
  if (count == 0 && candidates.tombstones.empty()) {
    return;
  }
  uses_format_2_ = true;
  const auto add = [&](const char* column, TensorType type, const auto& elements) {
    others_.push_back(MakeColumn(rows.variable, column, type, {elements.size()}, elements));
  };
  add(kCandidateKeys, TensorType::kU64, candidates.keys);
  add(kCandidateTombstones, TensorType::kU64, candidates.tombstones);
  add(kCandidateFrequencies, TensorType::kU32, candidates.frequencies);
  add(kCandidateLastUpdates, TensorType::kU32, candidates.last_updates);
  AddLives(rows.variable, kCandidateLives, candidates.lives);
}

void PartLayout::AddLives(const std::string& variable,
                          const LifeColumns& columns,
                          const std::vector<FeatureLife>& lives) {
  if (lives.empty()) {
    return;
  }
  uses_format_2_ = true;
  const auto add = [&](const char* column, TensorType type, auto member) {
    others_.push_back(MakeLifeColumn(variable, column, type, lives, member));
  };
  add(columns.shows, TensorType::kF32, &FeatureLife::shows);
  add(columns.clicks, TensorType::kF32, &FeatureLife::clicks);
  add(columns.last_steps, TensorType::kU32, &FeatureLife::last_step);
  add(columns.score_days, TensorType::kU16, &FeatureLife::score_day);
  add(columns.slots, TensorType::kU16, &FeatureLife::slot);
}

std::vector<PartColumn> PartLayout::TakeColumns() && {
  const auto wider = [](const PartColumn& a, const PartColumn& b) {
    return BytesPerElement(a.info.type) > BytesPerElement(b.info.type);
  };
  std::stable_sort(serving_.begin(), serving_.end(), wider);
  std::stable_sort(others_.begin(), others_.end(), wider);
  if (!others_.empty()) {
    uint64_t end = 0;
    for (const PartColumn& column : serving_) {
      end += column.bytes.size();
    }
    const uint64_t align = BytesPerElement(others_.front().info.type);
    if (const uint64_t missing = (align - end % align) % align; missing > 0) {
      PartColumn padding =
          MakeOwnColumn("", kPadding, TensorType::kU8, {missing}, std::vector<uint8_t>(missing, 0));
      padding.info.name = kPadding;
      serving_.push_back(std::move(padding));
    }
  }
  std::move(others_.begin(), others_.end(), std::back_inserter(serving_));
  return std::move(serving_);
}

}  // namespace freshet
