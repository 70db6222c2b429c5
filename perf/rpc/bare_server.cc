#include "perf/rpc/bare_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "perf/rpc/client.h"

namespace freshet::perf {
namespace {

constexpr size_t kAhead = 16;  // keys that are being fetched from memory

struct Cell {
  Key key = 0;
  uint32_t row = 0;
  uint32_t used = 0;
};

struct Values {
  float of[kDim] = {};
};

struct Row {
  Values values;
  Values accumulators;
};

constexpr float kLearningRate = 0.05F;
constexpr float kInitialAccumulator = 0.1F;

void StepAdagrad(const Values& gradient, Row* row) {
  for (uint32_t d = 0; d < kDim; ++d) {
    row->accumulators.of[d] += gradient.of[d] * gradient.of[d];
    row->values.of[d] -= kLearningRate * gradient.of[d] / std::sqrt(row->accumulators.of[d]);
  }
}

// On huge pages, all zeros.
template <typename T>
T* Allocate(size_t count) {
  const size_t bytes = count * sizeof(T);
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
  ::madvise(memory, bytes, MADV_HUGEPAGE);
  return static_cast<T*>(memory);
}

class BareTable {
 public:
  explicit BareTable(uint64_t rows)
      : mask_(std::bit_ceil(rows * 2) - 1),
        cells_(Allocate<Cell>(mask_ + 1)),
        rows_(Allocate<Row>(rows + 1)) {}

  // Calls visit(i, row) for each key in order.
  template <typename Visit>
  void ForEach(const Key* keys, size_t count, const Visit& visit) {
    Row* ahead[kAhead] = {};
    for (size_t i = 0; i < std::min(count, kAhead); ++i) {
      __builtin_prefetch(&cells_[Place(keys[i])]);
    }
    for (size_t i = 0; i < count + kAhead; ++i) {
      if (i >= kAhead) {
        visit(i - kAhead, *ahead[i % kAhead]);
      }
      if (i < count) {
        if (i + kAhead < count) {
          __builtin_prefetch(&cells_[Place(keys[i + kAhead])]);
        }
        ahead[i % kAhead] = &FindOrMake(keys[i]);
        __builtin_prefetch(&ahead[i % kAhead]->values);
        __builtin_prefetch(&ahead[i % kAhead]->accumulators);
      }
    }
  }

 private:
  size_t Place(Key key) const { return (key * 0x9e3779b97f4a7c15ULL >> 20U) & mask_; }

  Row& FindOrMake(Key key) {
    for (size_t at = Place(key);; at = (at + 1) & mask_) {
      Cell& cell = cells_[at];
      if (cell.used != 0 && cell.key == key) {
        return rows_[cell.row];
      }
      if (cell.used == 0) {
        cell = {.key = key, .row = count_++, .used = 1};
        std::fill_n(rows_[cell.row].accumulators.of, kDim, kInitialAccumulator);
        return rows_[cell.row];
      }
    }
  }

  const size_t mask_;
  Cell* const cells_;
  Row* const rows_;
  uint32_t count_ = 0;
};

void ServeConnection(int fd, BareTable* table) {
  std::vector<Key> keys(kMostBareKeys);
  std::vector<Values> values(kMostBareKeys);
  BareHead head;
  while (ReadWhole(fd, &head, sizeof head) && head.count <= kMostBareKeys &&
         ReadWhole(fd, keys.data(), head.count * sizeof(Key))) {
    if (head.op == static_cast<uint32_t>(BareOp::kPull)) {
      table->ForEach(
          keys.data(), head.count, [&](size_t i, const Row& row) { values[i] = row.values; });
      WriteWhole(fd, values.data(), head.count * sizeof(Values));
      continue;
    }
    if (!ReadWhole(fd, values.data(), head.count * sizeof(Values))) {
      return;
    }
    table->ForEach(
        keys.data(), head.count, [&](size_t i, Row& row) { StepAdagrad(values[i], &row); });
    const uint32_t done = 1;
    WriteWhole(fd, &done, sizeof done);
  }
}

}  // namespace

bool ReadWhole(int fd, void* to, size_t bytes) {
  char* at = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::recv(fd, at, bytes, 0);
    if (got <= 0) {
      return false;
    }
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

void WriteWhole(int fd, const void* from, size_t bytes) {
  const char* at = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t sent = ::send(fd, at, bytes, MSG_NOSIGNAL);
    if (sent <= 0) {
      std::exit(0);
    }
    at += sent;
    bytes -= static_cast<size_t>(sent);
  }
}

void ServeBare(uint64_t rows, void (*listening)(uint16_t port)) {
  BareTable table(rows);
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, raw, size) != 0 || ::listen(listener, 1) != 0 ||
      ::getsockname(listener, raw, &size) != 0) {
    std::perror("listen");
    std::exit(1);
  }
  listening(ntohs(address.sin_port));
  while (true) {
    const int fd = ::accept(listener, nullptr, nullptr);
    const int yes = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    ServeConnection(fd, &table);
    ::close(fd);
  }
}

}  // namespace freshet::perf
