#include "ps/row_format.h"

#include <cstring>

namespace freshet::ps {
namespace {

size_t RecordBytes(const RowShape& shape) {
  const size_t bytes = sizeof(RowMeta) + (shape.has_life ? sizeof(FeatureLife) : 0) +
                       shape.state_dim * sizeof(float) + shape.value_bytes;
  return (bytes + sizeof(float) - 1) / sizeof(float) * sizeof(float);
}

}  // namespace

RowFormat::RowFormat(const proto::EmbeddingVariable& variable, uint32_t state_dim)
    : name_(variable.name()),
      dim_(variable.dim()),
      state_dim_(state_dim),
      value_type_(variable.value_type()),
      codec_(value_type_, dim_, variable.seed()),
      rules_(variable),
      record_bytes_(RecordBytes(shape())) {}

RowParts RowFormat::PartsOf(const std::byte* record) const {
  const std::byte* const life = record + sizeof(RowMeta);
  const std::byte* const state = life + (rules_.NeedsLife() ? sizeof(FeatureLife) : 0);
  return {.meta = reinterpret_cast<const RowMeta*>(record),
          .life = rules_.NeedsLife() ? reinterpret_cast<const FeatureLife*>(life) : nullptr,
          .value = state + state_dim_ * sizeof(float),
          .state = reinterpret_cast<const float*>(state)};
}

void RowFormat::WriteRecord(const RowParts& row, std::byte* record) const {
  const std::byte* const end = record + record_bytes_;
  const auto add = [&record](const void* from, size_t bytes) {
    if (bytes > 0) {
      std::memcpy(record, from, bytes);
      record += bytes;
    }
  };
  add(row.meta, sizeof(RowMeta));
  add(row.life, rules_.NeedsLife() ? sizeof(FeatureLife) : 0);
  add(row.state, state_dim_ * sizeof(float));
  add(row.value, codec_.bytes());
  std::memset(record, 0, static_cast<size_t>(end - record));
}

RowView RowFormat::ViewOf(Key key, const RowParts& row, std::span<float> value) const {
  RowView view{.key = key,
               .frequency = row.meta->frequency,
               .last_update = row.meta->last_update,
               .life = row.life};
  if (codec_.is_float()) {
    view.value = {reinterpret_cast<const float*>(row.value), dim_};
  } else {
    codec_.Read(row.value, value);
    view.value = value;
  }
  return view;
}

EmbeddingRows RowFormat::MakeColumns(size_t rows) const {
  EmbeddingRows columns;
  columns.variable = name_;
  columns.value_type = value_type_;
  columns.dim = dim_;
  columns.state_dim = state_dim_;
  columns.keys.reserve(rows);
  columns.values.reserve(rows * dim_);
  columns.states.reserve(rows * state_dim_);
  columns.frequencies.reserve(rows);
  columns.last_updates.reserve(rows);
  columns.lives.reserve(rules_.NeedsLife() ? rows : 0);
  columns.served.reserve(rules_.FiltersServing() ? rows : 0);
  return columns;
}

void RowFormat::Append(Key key, const RowParts& row, EmbeddingRows& columns) const {
  columns.keys.push_back(key);
  columns.frequencies.push_back(row.meta->frequency);
  columns.last_updates.push_back(row.meta->last_update);
  columns.values.resize(columns.values.size() + dim_);
  const std::span<float> value = std::span(columns.values).last(dim_);
  codec_.Read(row.value, value);
  columns.states.insert(columns.states.end(), row.state, row.state + state_dim_);
  if (rules_.NeedsLife()) {
    columns.lives.push_back(*row.life);
  }
  if (rules_.FiltersServing()) {
    columns.served.push_back(rules_.Serves(ViewOf(key, row, value), columns.clock) ? 1 : 0);
  }
}

}  // namespace freshet::ps
