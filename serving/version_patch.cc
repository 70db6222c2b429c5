#include "serving/version_patch.h"

#include <algorithm>
#include <utility>

namespace freshet::serving {
namespace {

// Keys ahead of the one that is looked up, whose places in memory are asked for.
constexpr size_t kAhead = 16;

}  // namespace

void VersionPatch::Add(const PartContents& part) {
  for (const EmbeddingRows& rows : part.embeddings) {
    if (const TouchedKeys::Keys* const touched = touched_.Find(rows.variable)) {
      AddRows(rows, touched->size());
    }
  }
  for (const DenseTensor& tensor : part.dense) {
    dense_[tensor.variable] = tensor;
  }
}

void VersionPatch::AddRows(const EmbeddingRows& rows, size_t touched) {
  const auto [of_variable, is_first] = rows_.try_emplace(rows.variable);
  auto& [into, places] = of_variable->second;
  if (is_first) {
    places.reserve(touched);
  }
  into.variable = rows.variable;
  into.dim = rows.dim;
  for (const Key key : rows.tombstones) {
    places.erase(key);
  }
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    const Key key = rows.keys[i];
    if (i + kAhead < rows.keys.size()) {
      places.prefetch(rows.keys[i + kAhead]);
    }
    if (!rows.served.empty() && rows.served[i] == 0) {
      places.erase(key);
      continue;
    }
    const float* const value = rows.values.data() + i * rows.dim;
    const auto [place, is_new] = places.try_emplace(key, into.keys.size());
    if (is_new) {
      into.keys.push_back(key);
      into.values.insert(into.values.end(), value, value + rows.dim);
    } else {
      std::copy_n(value, rows.dim, into.values.begin() + place->second * rows.dim);
    }
  }
}

PartContents VersionPatch::Take() && {
  PartContents patch;
  for (auto& [variable, of_variable] : rows_) {
    auto& [rows, places] = of_variable;
    // A row that went, and perhaps came again further back, is not the one of its key.
    size_t kept = 0;
    for (size_t i = 0; i < rows.keys.size(); ++i) {
      const auto place = places.find(rows.keys[i]);
      if (place != places.end() && place->second == i) {
        rows.keys[kept] = rows.keys[i];
        std::copy_n(
            rows.values.begin() + i * rows.dim, rows.dim, rows.values.begin() + kept * rows.dim);
        ++kept;
      }
    }
    rows.keys.resize(kept);
    rows.values.resize(kept * rows.dim);
    for (const Key key : *touched_.Find(variable)) {
      if (!places.contains(key)) {
        rows.tombstones.push_back(key);
      }
    }
    patch.embeddings.push_back(std::move(rows));
  }
  for (auto& [variable, tensor] : dense_) {
    patch.dense.push_back(std::move(tensor));
  }
  return patch;
}

}  // namespace freshet::serving
