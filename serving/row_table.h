#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/key.h"

namespace freshet::serving {

// Key -> row of `dim` floats, for look-ups in memory.
//
// Layout: an open-addressing index (linear probing, deletion by shifting back, so no markers stay
// behind) whose cells of 8 bytes hold 32 bits of the key's hash and the number of a row. Rows live
// in chunks that never move: 8 bytes of key, then the floats, so that comparing the key brings the
// row's first floats into the cache. A cell's home is its 32 hash bits modulo the index's size;
// the index therefore grows without a look at the rows.
//
// Copyable. Thread-safety: any thread may read while nobody writes.
class RowTable {
 public:
  explicit RowTable(uint32_t dim);
  RowTable(const RowTable& other);
  RowTable(RowTable&&) noexcept = default;
  RowTable& operator=(const RowTable& other);
  RowTable& operator=(RowTable&&) noexcept = default;
  ~RowTable() = default;

  uint32_t dim() const { return dim_; }

  size_t size() const { return size_; }

  // Of memory taken.
  size_t bytes() const;

  // The row [dim], or an empty span. Valid until the table is changed.
  std::span<const float> Find(Key key) const;
  // Sets the row, new or not. `values` [dim].
  void Set(Key key, std::span<const float> values);
  // False: there was none.
  bool Erase(Key key);

 private:
  struct Cell {
    uint32_t hash;
    uint32_t row;
  };

  static constexpr uint32_t kNoRow = 0xffff'ffffU;
  static constexpr uint32_t kRowsPerChunk = 4096;

  std::byte* Row(uint32_t row) const;
  // Of the key's cell, or of the free cell where it would be.
  size_t CellOf(Key key, uint32_t hash) const;
  void Grow();
  uint32_t TakeRow();

  uint32_t dim_;
  size_t stride_;  // bytes of a row
  size_t size_ = 0;
  size_t mask_;
  std::vector<Cell> cells_;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  uint32_t rows_taken_ = 0;  // ever handed out
  std::vector<uint32_t> free_rows_;
};

}  // namespace freshet::serving
