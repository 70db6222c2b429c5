#include "serving/row_table.h"

#include <cstring>

#include "common/check.h"

namespace freshet::serving {
namespace {

constexpr size_t kFirstCells = 16;

uint32_t HashOf(Key key) {
  return static_cast<uint32_t>(SplitMix64(key) >> 32U);
}

}  // namespace

RowTable::RowTable(uint32_t dim)
    : dim_(dim),
      stride_(sizeof(Key) + (dim * sizeof(float) + 7) / 8 * 8),
      mask_(kFirstCells - 1),
      cells_(kFirstCells, Cell{.hash = 0, .row = kNoRow}) {}

RowTable::RowTable(const RowTable& other)
    : dim_(other.dim_),
      stride_(other.stride_),
      size_(other.size_),
      mask_(other.mask_),
      cells_(other.cells_),
      rows_taken_(other.rows_taken_),
      free_rows_(other.free_rows_) {
  const size_t chunk_bytes = kRowsPerChunk * stride_;
  for (const auto& chunk : other.chunks_) {
    chunks_.push_back(std::make_unique<std::byte[]>(chunk_bytes));
    std::memcpy(chunks_.back().get(), chunk.get(), chunk_bytes);
  }
}

RowTable& RowTable::operator=(const RowTable& other) {
  if (this != &other) {
    *this = RowTable(other);
  }
  return *this;
}

size_t RowTable::bytes() const {
  return cells_.size() * sizeof(Cell) + chunks_.size() * kRowsPerChunk * stride_ +
         free_rows_.capacity() * sizeof(uint32_t);
}

std::byte* RowTable::Row(uint32_t row) const {
  return chunks_[row / kRowsPerChunk].get() + (row % kRowsPerChunk) * stride_;
}

size_t RowTable::CellOf(Key key, uint32_t hash) const {
  for (size_t i = hash & mask_;; i = (i + 1) & mask_) {
    const Cell& cell = cells_[i];
    if (cell.row == kNoRow) {
      return i;
    }
    if (cell.hash == hash) {
      Key found = 0;
      std::memcpy(&found, Row(cell.row), sizeof(found));
      if (found == key) {
        return i;
      }
    }
  }
}

std::span<const float> RowTable::Find(Key key) const {
  const Cell& cell = cells_[CellOf(key, HashOf(key))];
  if (cell.row == kNoRow) {
    return {};
  }
  return {reinterpret_cast<const float*>(Row(cell.row) + sizeof(Key)), dim_};
}

void RowTable::Set(Key key, std::span<const float> values) {
  FRESHET_DCHECK(values.size() == dim_);
  const uint32_t hash = HashOf(key);
  size_t at = CellOf(key, hash);
  if (cells_[at].row == kNoRow) {
    if ((size_ + 1) * 4 > cells_.size() * 3) {
      Grow();
      at = CellOf(key, hash);
    }
    cells_[at] = Cell{.hash = hash, .row = TakeRow()};
    std::memcpy(Row(cells_[at].row), &key, sizeof(key));
    ++size_;
  }
  std::memcpy(Row(cells_[at].row) + sizeof(Key), values.data(), values.size_bytes());
}

bool RowTable::Erase(Key key) {
  size_t hole = CellOf(key, HashOf(key));
  if (cells_[hole].row == kNoRow) {
    return false;
  }
  free_rows_.push_back(cells_[hole].row);
  // Every cell after the hole that is not at home, and whose home is not behind the hole, moves up.
  for (size_t i = (hole + 1) & mask_; cells_[i].row != kNoRow; i = (i + 1) & mask_) {
    const size_t from_home = (i - cells_[i].hash) & mask_;
    const size_t from_hole = (i - hole) & mask_;
    if (from_home >= from_hole) {
      cells_[hole] = cells_[i];
      hole = i;
    }
  }
  cells_[hole].row = kNoRow;
  --size_;
  return true;
}

void RowTable::Grow() {
  // With more cells than hash values, homes would repeat.
  FRESHET_CHECK(cells_.size() < (size_t{1} << 32U));
  std::vector<Cell> old(cells_.size() * 2, Cell{.hash = 0, .row = kNoRow});
  old.swap(cells_);
  mask_ = cells_.size() - 1;
  for (const Cell& cell : old) {
    if (cell.row != kNoRow) {
      size_t i = cell.hash & mask_;
      while (cells_[i].row != kNoRow) {
        i = (i + 1) & mask_;
      }
      cells_[i] = cell;
    }
  }
}

uint32_t RowTable::TakeRow() {
  if (!free_rows_.empty()) {
    const uint32_t row = free_rows_.back();
    free_rows_.pop_back();
    return row;
  }
  if (rows_taken_ == chunks_.size() * kRowsPerChunk) {
    chunks_.push_back(std::make_unique<std::byte[]>(kRowsPerChunk * stride_));
  }
  FRESHET_CHECK(rows_taken_ < kNoRow);
  return rows_taken_++;
}

}  // namespace freshet::serving
