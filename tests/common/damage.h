#pragma once
#include <algorithm>
#include <cstddef>
#include <random>
#include <string>

// What a bad disk, or a program that writes where it should not, does to the bytes of a file that
// is not empty. The answer may be what it was.
namespace freshet::test {

using Damage = std::string (*)(const std::string& bytes, std::mt19937_64& random);

inline std::string FlipBit(const std::string& bytes, std::mt19937_64& random) {
  std::string damaged = bytes;
  damaged[random() % bytes.size()] ^= static_cast<char>(1U << (random() % 8));
  return damaged;
}

inline std::string Truncate(const std::string& bytes, std::mt19937_64& random) {
  return bytes.substr(0, random() % bytes.size());
}

inline std::string ZeroBlock(const std::string& bytes, std::mt19937_64& random) {
  std::string damaged = bytes;
  const size_t begin = random() % bytes.size();
  std::fill_n(damaged.begin() + static_cast<ptrdiff_t>(begin),
              std::min<size_t>(1 + random() % 512, bytes.size() - begin),
              '\0');
  return damaged;
}

// As when a disk gives back another block than was asked for.
inline std::string SwapBlocks(const std::string& bytes, std::mt19937_64& random) {
  std::string damaged = bytes;
  const size_t block = 1 + random() % std::max<size_t>(1, bytes.size() / 2);
  const size_t a = random() % (bytes.size() - block + 1);
  const size_t b = random() % (bytes.size() - block + 1);
  for (size_t i = 0; i < block; ++i) {
    std::swap(damaged[a + i], damaged[b + i]);
  }
  return damaged;
}

inline std::string AppendBytes(const std::string& bytes, std::mt19937_64& random) {
  return bytes + std::string(1 + random() % 100, static_cast<char>(random()));
}

}  // namespace freshet::test
