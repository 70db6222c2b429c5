#include "perf/table/contest.h"

#include <algorithm>
#include <latch>
#include <thread>

#include "perf/table/clocks.h"

namespace freshet::perf {
namespace {

// Not timed: brings code, stack and buffers back after other contestants ran.
constexpr size_t kWarmUp = 4 * kBatch;

}  // namespace

Contest::Contest(const ContestantKind& kind, uint32_t dim, uint32_t rows, uint32_t threads)
    : kind_(kind), dim_(dim), population_(rows, threads) {
  Random random(dim);
  for (uint32_t t = 0; t < threads; ++t) {
    threads_.push_back(
        {.values = HugeArray<float>(kBatch * dim), .gradients = HugeArray<float>(kBatch * dim)});
    for (size_t i = 0; i < kBatch * dim; ++i) {
      threads_[t].gradients[i] = static_cast<float>(2.0 * random.Uniform() - 1.0);
    }
  }
}

void Contest::MakeTables() {
  tables_.clear();
  const size_t threads = threads_.size();
  for (uint32_t t = 0; t < threads; ++t) {
    if (t == 0 || !kind_.shared) {
      size_t rows = population_.rows(t);
      for (uint32_t other = 1; kind_.shared && other < threads; ++other) {
        rows += population_.rows(other);
      }
      tables_.push_back(kind_.make({.dim = dim_, .rows = rows}));
    }
    threads_[t].table = tables_.back().get();
  }
}

double Contest::Slowest(const std::function<double(uint32_t)>& body) const {
  std::vector<double> times(threads_.size());
  std::latch start(static_cast<std::ptrdiff_t>(threads_.size()));
  std::vector<std::jthread> running;
  for (uint32_t t = 0; t < threads_.size(); ++t) {
    running.emplace_back([&, t] {
      start.arrive_and_wait();
      times[t] = body(t);
    });
  }
  running.clear();
  return *std::ranges::max_element(times);
}

double Contest::Grow() {
  MakeTables();
  return Slowest([this](uint32_t t) { return GrowOne(t); });
}

double Contest::GrowOne(uint32_t thread) {
  Thread& own = threads_[thread];
  const size_t rows = population_.rows(thread);
  KeyStream stream(kBatch);
  int64_t spent = 0;
  for (size_t begin = 0; begin < rows; begin += kBatch) {
    const size_t count = std::min(kBatch, rows - begin);
    population_.NewRows(thread, begin, stream);
    const int64_t start = ThreadTimeNs();
    own.table->Push(stream.BatchAt(0, count), {own.gradients.data(), count * dim_});
    spent += ThreadTimeNs() - start;
  }
  return static_cast<double>(spent) / static_cast<double>(rows);
}

double Contest::Run(Operation operation, Distribution distribution, uint64_t seed, size_t keys) {
  std::vector<KeyStream> streams;
  for (uint32_t t = 0; t < threads_.size(); ++t) {
    streams.push_back(population_.Draw(t, distribution, seed, kWarmUp + keys));
  }
  return Slowest([&](uint32_t t) { return RunOne(threads_[t], operation, streams[t]); });
}

double Contest::RunOne(Thread& thread, Operation operation, const KeyStream& stream) {
  int64_t start = 0;
  for (size_t begin = 0; begin < stream.size(); begin += kBatch) {
    if (begin == kWarmUp) {
      start = ThreadTimeNs();
    }
    const size_t count = std::min(kBatch, stream.size() - begin);
    const Batch batch = stream.BatchAt(begin, count);
    if (operation == Operation::kPull) {
      thread.table->Pull(batch, {thread.values.data(), count * dim_});
    } else {
      thread.table->Push(batch, {thread.gradients.data(), count * dim_});
    }
  }
  return static_cast<double>(ThreadTimeNs() - start) / static_cast<double>(stream.size() - kWarmUp);
}

}  // namespace freshet::perf
