#pragma once
#include <cstdint>

namespace freshet {

// Numbers nobody can foresee, for instance ids; a test can seed it. Nothing that is learned may
// depend on it. Thread-safety: any thread.
class Random {
 public:
  virtual ~Random() = default;

  virtual uint64_t Next() = 0;
};

// The machine's. Lives as long as the process.
Random& SystemRandom();

}  // namespace freshet
