#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "perf/table/contestant.h"
#include "perf/table/huge_array.h"
#include "perf/table/keys.h"

namespace freshet::perf {

enum class Operation { kPull, kPush };

// One contestant, timed. All times are nanoseconds of processor time per key of the slowest thread:
// what others run on the machine meanwhile does not count, page faults do.
class Contest {
 public:
  Contest(const ContestantKind& kind, uint32_t dim, uint32_t rows, uint32_t threads);

  // Drops the table, and pushes every row once into an empty one.
  double Grow();

  // Calls with `keys` keys for each thread, drawn for the occasion. The table has been grown.
  double Run(Operation operation, Distribution distribution, uint64_t seed, size_t keys);

 private:
  struct Thread {
    Contestant* table = nullptr;
    HugeArray<float> values;
    HugeArray<float> gradients;
  };

  // What `body` of each thread returns, all at once: the longest. body(thread) -> nanoseconds.
  double Slowest(const std::function<double(uint32_t)>& body) const;
  void MakeTables();
  double GrowOne(uint32_t thread);
  double RunOne(Thread& thread, Operation operation, const KeyStream& stream);

  const ContestantKind kind_;
  const uint32_t dim_;
  const Population population_;
  std::vector<std::unique_ptr<Contestant>> tables_;
  std::vector<Thread> threads_;
};

}  // namespace freshet::perf
