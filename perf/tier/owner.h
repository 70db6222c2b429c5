#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "common/key.h"
#include "ps/options.h"
#include "ps/owner_thread.h"
#include "ps/tier/cold_store.h"

namespace freshet::perf {

struct OwnerOptions {
  uint32_t rows = 0;
  uint32_t dim = 0;
  ps::StorageOptions storage;
};

// How one run went.
struct RunTime {
  double seconds = 0;
  uint64_t draws = 0;
  uint64_t keys = 0;  // different ones in their batch
};

// One owner thread of a server with an Adagrad variable of so many rows, and a worker beside it.
class Owner {
 public:
  static constexpr uint32_t kBatch = 4096;

  explicit Owner(const OwnerOptions& options);
  ~Owner();

  // Pushes every key once.
  void Fill();

  // Batches of Zipf draws, each pulled and then pushed. With `ahead`, the keys of a batch are
  // announced so many batches before.
  RunTime Run(uint64_t seed, uint32_t batches, uint32_t ahead);

  // Over all that every row consists of, in no order; reads rows of every tier.
  uint64_t Checksum();

  uint64_t rows() const { return owner_->rows(); }

  uint64_t cold_rows() const { return owner_->cold_rows(); }

  // What the rows take that are in memory.
  uint64_t bytes() const { return owner_->bytes(); }

  const ps::ColdStore* store() const { return store_.get(); }

 private:
  using Keys = std::vector<Key>;

  void Post(absl::AnyInvocable<void(ps::Shard&)> task) { owner_->Post(std::move(task)); }

  // Waits until all that was posted is done.
  void Flush();
  void Push(ps::Shard& shard, const Keys& keys);

  const OwnerOptions options_;
  const std::unique_ptr<ps::ColdStore> store_;
  std::unique_ptr<ps::OwnerThread> owner_;
  std::vector<float> values_;
  std::vector<float> gradients_;
  uint64_t step_ = 0;
};

}  // namespace freshet::perf
