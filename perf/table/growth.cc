#include "perf/table/growth.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/check.h"
#include "perf/table/clocks.h"
#include "perf/table/contestant.h"
#include "perf/table/freshet.h"

namespace freshet::perf {
namespace {

struct Sample {
  int64_t wall_ns = 0;
  int64_t cpu_ns = 0;
  bool faulted = false;
};

int64_t Faults() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

std::vector<Sample> Grow(uint32_t dim, uint32_t rows) {
  ps::EmbeddingTable table(SgdVariable(dim));
  std::vector<Key> keys(kBatch);
  const std::vector<float> gradients(kBatch * dim, 0.5F);
  std::vector<Sample> samples(rows / kBatch);
  for (size_t batch = 0; batch < samples.size(); ++batch) {
    for (size_t i = 0; i < kBatch; ++i) {
      keys[i] = SplitMix64(batch * kBatch + i);
    }
    const int64_t faults = Faults();
    const int64_t cpu = ThreadTimeNs();
    const int64_t wall = WallTimeNs();
    FRESHET_CHECK(table.Push(keys, {}, gradients, {.event_time_s = 1, .step = batch + 1}).ok());
    samples[batch].wall_ns = WallTimeNs() - wall;
    samples[batch].cpu_ns = ThreadTimeNs() - cpu;
    samples[batch].faulted = Faults() > faults;
  }
  return samples;
}

// The smallest that at least `share` of all do not exceed, in microseconds. Sorts.
double Quantile(std::vector<int64_t>& ns, double share) {
  if (ns.empty()) {
    return 0;
  }
  std::ranges::sort(ns);
  const double rank = std::ceil(share * static_cast<double>(ns.size()));
  return static_cast<double>(ns[static_cast<size_t>(rank) - 1]) / 1000.0;
}

}  // namespace

BatchTimes MeasureGrowth(uint32_t dim, uint32_t rows) {
  const std::vector<Sample> samples = Grow(dim, rows);
  std::vector<int64_t> wall;
  std::vector<int64_t> cpu;
  std::vector<int64_t> faulted;
  for (const Sample& sample : samples) {
    wall.push_back(sample.wall_ns);
    cpu.push_back(sample.cpu_ns);
    if (sample.faulted) {
      faulted.push_back(sample.wall_ns);
    }
  }
  const auto worst = std::ranges::max_element(samples, {}, &Sample::wall_ns);
  return {.median_us = Quantile(wall, 0.5),
          .p99_us = Quantile(wall, 0.99),
          .p999_us = Quantile(wall, 0.999),
          .worst_us = Quantile(wall, 1.0),
          .worst_at_rows = static_cast<uint64_t>(worst - samples.begin()) * kBatch,
          .median_cpu_us = Quantile(cpu, 0.5),
          .worst_cpu_us = Quantile(cpu, 1.0),
          .fault_share = static_cast<double>(faulted.size()) / static_cast<double>(samples.size()),
          .median_with_fault_us = Quantile(faulted, 0.5)};
}

}  // namespace freshet::perf
