#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "common/key.h"

namespace freshet {

// A set of keys that is asked mostly for keys that it does not have: a bit per hash, in memory
// that a processor's cache holds, answers for most of them.
// Thread-safety: any thread may ask while nobody inserts.
class KeySet {
 public:
  using const_iterator = absl::flat_hash_set<Key>::const_iterator;

  KeySet() = default;

  KeySet(std::initializer_list<Key> keys) { insert(keys.begin(), keys.end()); }

  void insert(Key key) {
    if (keys_.insert(key).second) {
      Mark(key);
    }
  }

  template <typename Iterator>
  void insert(Iterator begin, Iterator end) {
    for (; begin != end; ++begin) {
      insert(*begin);
    }
  }

  bool contains(Key key) const { return IsMarked(key) && keys_.contains(key); }

  // Where in `keys` those of the set are. Their places in memory are asked for some keys ahead, so
  // that the waits for them overlap.
  void Pick(std::span<const Key> keys, std::vector<uint32_t>* picked) const {
    picked->clear();
    for (uint32_t i = 0; i < keys.size(); ++i) {
      if (IsMarked(keys[i])) {
        picked->push_back(i);
      }
    }
    size_t kept = 0;
    for (size_t i = 0; i < picked->size(); ++i) {
      if (i + kAhead < picked->size()) {
        keys_.prefetch(keys[(*picked)[i + kAhead]]);
      }
      if (keys_.contains(keys[(*picked)[i]])) {
        (*picked)[kept++] = (*picked)[i];
      }
    }
    picked->resize(kept);
  }

  size_t size() const { return keys_.size(); }

  bool empty() const { return keys_.empty(); }

  const_iterator begin() const { return keys_.begin(); }

  const_iterator end() const { return keys_.end(); }

  friend bool operator==(const KeySet& a, const KeySet& b) { return a.keys_ == b.keys_; }

 private:
  // Fewer, and more than an eighth of the keys that are not there would be looked for.
  static constexpr size_t kBitsPerKey = 8;
  static constexpr size_t kAhead = 16;

  struct Bit {
    size_t word;
    uint64_t mask;
  };

  Bit BitOf(Key key) const {
    const uint64_t hash = SplitMix64(key);
    return {.word = (hash >> 6U) & (words_.size() - 1), .mask = uint64_t{1} << (hash & 63U)};
  }

  bool IsMarked(Key key) const {
    const Bit bit = BitOf(key);
    return !words_.empty() && (words_[bit.word] & bit.mask) != 0;
  }

  void Mark(Key key) {
    if (keys_.size() * kBitsPerKey > words_.size() * 64) {
      words_.assign(words_.empty() ? 1 : 2 * words_.size(), 0);
      for (const Key each : keys_) {
        MarkBit(each);
      }
    } else {
      MarkBit(key);
    }
  }

  void MarkBit(Key key) {
    const Bit bit = BitOf(key);
    words_[bit.word] |= bit.mask;
  }

  absl::flat_hash_set<Key> keys_;
  std::vector<uint64_t> words_;  // a power of two of them
};

}  // namespace freshet
