#pragma once
#include <cstdint>
#include <memory>

#include "common/model/batch.h"

namespace freshet {

// What a batch says of each key beside its uses; costs nothing where it is not asked for.
struct KeyDetails {
  // How many samples have the key, and how many of those are clicks: their label is above 0. Each
  // sample counts once, whatever its weight and however often it has the key.
  bool counts = false;
  // The slot that the key comes from. Keys are hashed with their slot; should a key come from two
  // slots all the same, it is the one of its first use.
  bool slots = false;
};

// Collects samples into a batch, and gives each distinct key one row.
// One thread at a time. Today every model has one embedding variable, which all slots share.
class BatchBuilder {
 public:
  explicit BatchBuilder(size_t embedding_variables, KeyDetails details = {});
  ~BatchBuilder();

  void Add(const Sample& sample, uint64_t sample_id, int64_t arrival_ms);
  size_t size() const;
  // The batch so far; the builder is empty again, and keeps its memory.
  Batch Take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
