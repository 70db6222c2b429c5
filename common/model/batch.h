#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/feature_life.h"
#include "common/key.h"
#include "common/model/products.h"
#include "common/sample/sample.h"

namespace freshet {

// The features of a batch that are looked up in one embedding variable: a sparse matrix by samples,
// whose entries name a row among the batch's unique keys.
struct SparseInput {
  std::vector<Key> keys;               // unique, in order of first use
  std::vector<uint32_t> sample_begin;  // [samples + 1], into the three below
  std::vector<uint32_t> rows;          // index into keys
  std::vector<float> values;
  std::vector<uint16_t> slots;

  // Of each key, where KeyDetails asked for it; else empty.
  std::vector<KeyCount> counts;
  std::vector<uint16_t> key_slots;
};

struct Batch {
  std::vector<float> labels;
  std::vector<float> weights;
  std::vector<uint64_t> sample_ids;  // hash of stream partition and offset
  int64_t max_event_time_ms = 0;
  int64_t newest_arrival_ms = 0;
  // Batches that the worker had trained when this one's turn came, this one included: what is
  // random in training is a function of it.
  uint64_t stream_step = 0;
  std::vector<SparseInput> inputs;  // one per embedding variable

  size_t size() const { return labels.size(); }
};

// What was pulled for a batch. Borrowed.
struct Parameters {
  std::vector<std::span<const float>> embeddings;  // per variable: [keys * dim]
  std::vector<std::span<const float>> dense;       // per dense variable
  Products products = Products::kF32;              // how dense layers are to compute with them
};

// Same shapes as Parameters; the model adds to it.
struct Gradients {
  std::vector<std::span<float>> embeddings;
  std::vector<std::span<float>> dense;
};

}  // namespace freshet
