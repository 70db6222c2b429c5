#pragma once
#include <cstdint>
#include <memory>

#include "common/model/batch.h"

namespace freshet {

// Collects samples into a batch, and gives each distinct key one row.
// One thread at a time. Today every model has one embedding variable, which all slots share.
class BatchBuilder {
 public:
  explicit BatchBuilder(size_t embedding_variables);
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
