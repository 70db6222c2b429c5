#pragma once
#include <cstddef>
#include <cstdint>

namespace freshet::perf {

// What the machine allows: a server without any feature. One thread that waits on one socket after
// the other, a table that never gives memory back, adagrad and nothing else, no errors.
//
//   request   op, count (uint32 each), keys [count], of a push: gradients [count, kDim]
//   answer    of a pull: rows [count, kDim]; of a push: a uint32
enum class BareOp : uint32_t { kPull = 1, kPush = 2 };

struct BareHead {
  uint32_t op = 0;
  uint32_t count = 0;
};

inline constexpr uint32_t kMostBareKeys = 1U << 16U;

// Calls `listening` with the port, and serves one connection after the other, for ever.
void ServeBare(uint64_t rows, void (*listening)(uint16_t port));

// Whole, or the process ends: the other side is gone.
bool ReadWhole(int fd, void* to, size_t bytes);
void WriteWhole(int fd, const void* from, size_t bytes);

}  // namespace freshet::perf
