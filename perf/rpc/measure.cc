#include "perf/rpc/measure.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>
#include <unordered_set>

namespace freshet::perf {
namespace {

constexpr uint32_t kKeysAtOnce = 4096;   // when rows are made
constexpr uint32_t kBatchesAtOnce = 64;  // when rows are made
constexpr uint32_t kSmallBatch = 512;

Key KeyOf(uint64_t row) {
  return SplitMix64(row + 1);
}

// Seconds of all its threads.
double CpuOf(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  // Behind the name, which may hold anything: state is the 3rd field, times are 14th and 15th.
  const size_t name_end = text.rfind(')');
  unsigned long long user = 0;
  unsigned long long kernel = 0;
  if (name_end == std::string::npos ||
      std::sscanf(text.c_str() + name_end + 2,
                  "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                  &user,
                  &kernel) != 2) {
    return 0.0;
  }
  return static_cast<double>(user + kernel) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

void Fill(uint64_t rows, Client* client) {
  std::vector<Keys> batches;
  for (uint64_t row = 0; row < rows;) {
    Keys& keys = batches.emplace_back();
    for (; row < rows && keys.size() < kKeysAtOnce; ++row) {
      keys.push_back(KeyOf(row));
    }
    if (batches.size() == kBatchesAtOnce || row == rows) {
      (void)client->Push(batches, 4);
      batches.clear();
    }
  }
}

std::vector<Keys> Draw(uint64_t rows, uint32_t batches, uint32_t count, std::mt19937_64* random) {
  std::vector<Keys> drawn(batches);
  for (Keys& keys : drawn) {
    std::unordered_set<Key> seen;
    while (keys.size() < count) {
      const Key key = KeyOf((*random)() % rows);
      if (seen.insert(key).second) {
        keys.push_back(key);
      }
    }
  }
  return drawn;
}

void MeasureOne(const Contestant& contestant,
                bool push,
                const std::vector<Keys>& batches,
                size_t in_flight) {
  const double cpu_before = CpuOf(contestant.pid);
  RunTime time = push ? contestant.client->Push(batches, in_flight)
                      : contestant.client->Pull(batches, in_flight);
  const double cpu = CpuOf(contestant.pid) - cpu_before;
  const double keys = static_cast<double>(batches.size() * batches.front().size());
  auto middle = time.latencies.begin() + static_cast<ptrdiff_t>(time.latencies.size() / 2);
  std::nth_element(time.latencies.begin(), middle, time.latencies.end());
  std::printf(
      "{\"name\": \"%s\", \"op\": \"%s\", \"in_flight\": %zu, \"keys\": %zu, "
      "\"keys_per_s\": %.0f, \"p50_us\": %.1f, \"server_cpu_s_per_million\": %.4f}\n",
      contestant.name.c_str(),
      push ? "push" : "pull",
      in_flight,
      batches.front().size(),
      keys / time.seconds,
      *middle * 1e6,
      cpu / keys * 1e6);
  std::fflush(stdout);
}

}  // namespace

void Measure(const MeasureOptions& options, const std::vector<Contestant>& contestants) {
  for (const Contestant& contestant : contestants) {
    std::fprintf(stderr, "%s gets its rows\n", contestant.name.c_str());
    Fill(options.rows, contestant.client.get());
  }
  std::mt19937_64 random(1);
  for (uint32_t round = 0; round < options.rounds; ++round) {
    const std::vector<Keys> batches =
        Draw(options.rows, options.batches, options.batch_keys, &random);
    const std::vector<Keys> small = Draw(options.rows, options.batches, kSmallBatch, &random);
    for (const Contestant& contestant : contestants) {
      for (const size_t in_flight : {1, 4}) {
        MeasureOne(contestant, false, batches, in_flight);
        MeasureOne(contestant, true, batches, in_flight);
      }
      MeasureOne(contestant, false, small, 1);
    }
  }
}

}  // namespace freshet::perf
