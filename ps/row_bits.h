#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "ps/mapped_array.h"
#include "ps/prefetch.h"

namespace freshet::ps {

// Where a row lies in its table (RowStore).
using RowSlot = uint32_t;
inline constexpr RowSlot kNoRow = UINT32_MAX;

// One bit per row slot.
class RowBits {
 public:
  // New bits are clear.
  void Resize(size_t slots) {
    const size_t words = (slots + 63) / 64;
    for (size_t word = words; word < words_.size(); ++word) {
      words_[word] = 0;  // so that they are clear when they come again
    }
    words_.Resize(words);
  }

  bool Test(RowSlot slot) const { return ((words_[slot / 64] >> (slot % 64)) & 1U) != 0; }

  void Prefetch(RowSlot slot) const { ps::Prefetch(&words_[slot / 64]); }

  void Set(RowSlot slot) { words_[slot / 64] |= uint64_t{1} << (slot % 64); }

  void Clear(RowSlot slot) { words_[slot / 64] &= ~(uint64_t{1} << (slot % 64)); }

  void ClearAll() { std::fill_n(words_.data(), words_.size(), 0); }

  size_t Count() const {
    size_t count = 0;
    for (size_t word = 0; word < words_.size(); ++word) {
      count += static_cast<size_t>(std::popcount(words_[word]));
    }
    return count;
  }

  // The first set bit at or after `from`; kNoRow if there is none.
  RowSlot NextSet(RowSlot from) const {
    size_t word = from / 64;
    if (word >= words_.size()) {
      return kNoRow;
    }
    uint64_t bits = words_[word] & (~uint64_t{0} << (from % 64));
    while (bits == 0) {
      if (++word == words_.size()) {
        return kNoRow;
      }
      bits = words_[word];
    }
    return static_cast<RowSlot>(word * 64 + static_cast<size_t>(std::countr_zero(bits)));
  }

  // The first word, at or after that of slot `from`, that has a clear bit: the slot of this bit.
  // Beyond the last slot if there is none.
  size_t NextClear(size_t from) const {
    size_t word = from / 64;
    while (word < words_.size() && words_[word] == ~uint64_t{0}) {
      ++word;
    }
    return word == words_.size() ? word * 64
                                 : word * 64 + static_cast<size_t>(std::countr_one(words_[word]));
  }

  void CopyFrom(const RowBits& other) {
    words_.Resize(other.words_.size());
    std::copy_n(other.words_.data(), other.words_.size(), words_.data());
  }

  // this |= other. Both have one size.
  void SetAllOf(const RowBits& other) {
    for (size_t word = 0; word < words_.size(); ++word) {
      words_[word] |= other.words_[word];
    }
  }

  uint64_t bytes() const { return words_.bytes(); }

 private:
  MappedArray<uint64_t> words_;
};

}  // namespace freshet::ps
