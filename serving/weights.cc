#include "serving/weights.h"

#include <algorithm>
#include <string>

namespace freshet::serving {
namespace {

template <typename Shapes>
size_t IndexOf(const Shapes& shapes, const std::string& name) {
  const auto found = std::find_if(
      shapes.begin(), shapes.end(), [&](const auto& shape) { return shape.name == name; });
  return static_cast<size_t>(found - shapes.begin());
}

}  // namespace

Weights::Weights(const proto::ModelSpec& model) {
  for (const proto::EmbeddingVariable& variable : model.embedding_variables()) {
    embedding_shapes_.push_back({.name = variable.name(), .size = variable.dim()});
    tables_.emplace_back(variable.dim());
  }
  for (const proto::DenseVariable& variable : model.dense_variables()) {
    size_t size = 1;
    for (const uint32_t extent : variable.shape()) {
      size *= extent;
    }
    dense_shapes_.push_back({.name = variable.name(), .size = size});
    dense_.emplace_back(size, 0.0F);
  }
}

uint64_t Weights::rows() const {
  uint64_t rows = 0;
  for (const RowTable& table : tables_) {
    rows += table.size();
  }
  return rows;
}

uint64_t Weights::bytes() const {
  uint64_t bytes = 0;
  for (const RowTable& table : tables_) {
    bytes += table.bytes();
  }
  for (const std::vector<float>& tensor : dense_) {
    bytes += tensor.size() * sizeof(float);
  }
  return bytes;
}

Status Weights::Check(const PartContents& part) const {
  for (const EmbeddingRows& rows : part.embeddings) {
    const size_t i = IndexOf(embedding_shapes_, rows.variable);
    if (i == embedding_shapes_.size()) {
      return InvalidArgument("embedding variable '{}' is not in the model", rows.variable);
    }
    if (rows.dim != embedding_shapes_[i].size) {
      return InvalidArgument("embedding variable '{}' has rows of {} floats, the model says {}",
                             rows.variable,
                             rows.dim,
                             embedding_shapes_[i].size);
    }
  }
  for (const DenseTensor& tensor : part.dense) {
    const size_t i = IndexOf(dense_shapes_, tensor.variable);
    if (i == dense_shapes_.size()) {
      return InvalidArgument("dense variable '{}' is not in the model", tensor.variable);
    }
    if (tensor.values.size() != dense_shapes_[i].size) {
      return InvalidArgument("dense variable '{}' has {} floats, the model says {}",
                             tensor.variable,
                             tensor.values.size(),
                             dense_shapes_[i].size);
    }
  }
  return absl::OkStatus();
}

void Weights::Apply(const PartContents& part) {
  for (const EmbeddingRows& rows : part.embeddings) {
    RowTable& table = tables_[IndexOf(embedding_shapes_, rows.variable)];
    for (const Key key : rows.tombstones) {
      table.Erase(key);
    }
    const std::span<const float> values(rows.values);
    for (size_t i = 0; i < rows.keys.size(); ++i) {
      if (rows.served.empty() || rows.served[i] != 0) {
        table.Set(rows.keys[i], values.subspan(i * rows.dim, rows.dim));
      } else {
        table.Erase(rows.keys[i]);
      }
    }
  }
  for (const DenseTensor& tensor : part.dense) {
    dense_[IndexOf(dense_shapes_, tensor.variable)] = tensor.values;
  }
}

}  // namespace freshet::serving
