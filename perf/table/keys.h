#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/key.h"
#include "perf/table/contestant.h"
#include "perf/table/huge_array.h"
#include "perf/zipf.h"

namespace freshet::perf {

enum class Distribution { kUniform, kZipf };
inline constexpr double kZipfExponent = 1.05;

// Keys to call with, one batch after the other.
class KeyStream {
 public:
  explicit KeyStream(size_t count) : keys_(count), rows_(count) {}

  void Set(size_t i, Key key, uint32_t row) {
    keys_[i] = key;
    rows_[i] = row;
  }

  size_t size() const { return keys_.size(); }

  Batch BatchAt(size_t begin, size_t count) const {
    return {.keys = {keys_.data() + begin, count}, .rows = {rows_.data() + begin, count}};
  }

 private:
  HugeArray<Key> keys_;
  HugeArray<uint32_t> rows_;
};

// All keys of one run: SplitMix64 of the ids 0 .. rows - 1, so that they are spread over 64 bits,
// shared out to one or two owners by their highest bit, as a server does by partition. An owner's
// rows come in random order. Immutable after construction.
class Population {
 public:
  Population(uint32_t rows, uint32_t owners);

  uint32_t rows(uint32_t owner) const { return static_cast<uint32_t>(ids_[owner].size()); }

  // Rows [begin, begin + stream.size()) of the owner, in the order in which they come.
  void NewRows(uint32_t owner, size_t begin, KeyStream& stream) const;

  // Keys of one owner drawn at random. Under Zipf id 0 is the most frequent.
  KeyStream Draw(uint32_t owner, Distribution distribution, uint64_t seed, size_t count) const;

 private:
  uint32_t OwnerOf(Key key) const { return owners_ == 1 ? 0 : static_cast<uint32_t>(key >> 63); }

  const uint32_t owners_;
  std::vector<std::vector<uint32_t>> ids_;  // of each owner's rows
  std::vector<uint32_t> row_of_id_;         // within its owner's
};

}  // namespace freshet::perf
