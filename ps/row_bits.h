#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace freshet::ps {

// Where a row lies in its table (RowStore).
using RowSlot = uint32_t;
inline constexpr RowSlot kNoRow = UINT32_MAX;

// One bit per row slot.
class RowBits {
 public:
  // Only grows; new bits are clear.
  void Resize(size_t slots) { words_.resize((slots + 63) / 64); }

  bool Test(RowSlot slot) const { return ((words_[slot / 64] >> (slot % 64)) & 1U) != 0; }

  void Set(RowSlot slot) { words_[slot / 64] |= uint64_t{1} << (slot % 64); }

  void Clear(RowSlot slot) { words_[slot / 64] &= ~(uint64_t{1} << (slot % 64)); }

  void ClearAll() { words_.assign(words_.size(), 0); }

  size_t Count() const {
    size_t count = 0;
    for (const uint64_t word : words_) {
      count += static_cast<size_t>(std::popcount(word));
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

  // this |= other & mask. All three have one size.
  void SetWhere(const RowBits& other, const RowBits& mask) {
    for (size_t word = 0; word < words_.size(); ++word) {
      words_[word] |= other.words_[word] & mask.words_[word];
    }
  }

  uint64_t bytes() const { return words_.capacity() * sizeof(uint64_t); }

 private:
  std::vector<uint64_t> words_;
};

}  // namespace freshet::ps
