#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "common/key.h"

namespace freshet::perf {

// Keys of one call.
inline constexpr size_t kBatch = 4096;

// How the rows of every contestant begin and learn: Adagrad, as docs/optimizers.md gives it.
inline constexpr float kInitialValue = 0.01F;
inline constexpr float kLearningRate = 0.05F;
inline constexpr float kInitialAccumulator = 0.1F;
inline constexpr float kEpsilon = 1e-6F;

struct TableShape {
  uint32_t dim = 0;
  // As many will come at most. Slabs take addresses for so many, memory only as rows come; no index
  // is told.
  size_t rows = 0;
};

// One call's keys, at most kBatch, and which of its table's rows they are, counted from 0 in the
// order in which they first came.
struct Batch {
  std::span<const Key> keys;
  std::span<const uint32_t> rows;
};

// A map from key to row. Thread-safety: one thread, or any if its kind is shared.
class Contestant {
 public:
  virtual ~Contestant() = default;

  // Every key has a row. values [keys * dim].
  virtual void Pull(const Batch& batch, std::span<float> values) = 0;
  // Makes the rows of new keys, then takes an Adagrad step. gradients [keys * dim].
  virtual void Push(const Batch& batch, std::span<const float> gradients) = 0;
};

std::unique_ptr<Contestant> MakeFlat(const TableShape& shape);
std::unique_ptr<Contestant> MakeFreshet(const TableShape& shape);
std::unique_ptr<Contestant> MakeAbsl(const TableShape& shape);
std::unique_ptr<Contestant> MakeAbslPrefetch(const TableShape& shape);
std::unique_ptr<Contestant> MakeLp(const TableShape& shape);
std::unique_ptr<Contestant> MakeLibcuckoo(const TableShape& shape);
std::unique_ptr<Contestant> MakeTbb(const TableShape& shape);
std::unique_ptr<Contestant> MakeUnorderedMap(const TableShape& shape);

struct ContestantKind {
  std::string_view name;
  bool shared = false;  // by the threads; else each has its own, with its own keys
  std::unique_ptr<Contestant> (*make)(const TableShape& shape) = nullptr;
};

// Null if there is none of that name.
const ContestantKind* FindKind(std::string_view name);

// The peers are compiled for two widths: make(std::integral_constant) of the one that dim is.
template <typename Make>
std::unique_ptr<Contestant> ForDim(uint32_t dim, Make make) {
  switch (dim) {
    case 16:
      return make(std::integral_constant<uint32_t, 16>());
    case 64:
      return make(std::integral_constant<uint32_t, 64>());
    default:
      return nullptr;
  }
}

}  // namespace freshet::perf
