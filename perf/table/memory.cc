#include "perf/table/memory.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "common/check.h"
#include "perf/table/contestant.h"
#include "perf/table/freshet.h"

namespace freshet::perf {
namespace {

constexpr uint32_t kSamples = 90;

// A figure in kB of a file of /proc.
double BytesIn(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    if (word == name) {
      double kilobytes = 0;
      file >> kilobytes;
      return 1024.0 * kilobytes;
    }
  }
  FRESHET_UNREACHABLE();
}

// smaps_rollup walks the page tables: exact, where statm lags behind.
double ResidentBytes() {
  return BytesIn("/proc/self/smaps_rollup", "Rss:");
}

class GrowingTable {
 public:
  explicit GrowingTable(uint32_t dim)
      : table_(AdagradVariable(dim)),
        row_bytes_(sizeof(Key) + sizeof(float) * (dim + table_.state_dim())),
        keys_(kBatch),
        gradients_(kBatch * dim, 0.5F),
        before_(ResidentBytes()) {}

  void GrowTo(uint32_t rows) {
    ps::PushContext context{.event_time_s = 1, .step = 1};
    while (table_.rows() < rows) {
      const uint64_t first = table_.rows();
      const size_t count = std::min<size_t>(kBatch, rows - first);
      for (size_t i = 0; i < count; ++i) {
        keys_[i] = SplitMix64(first + i);
      }
      FRESHET_CHECK(table_.Push(std::span(keys_).first(count), {}, gradients_, context).ok());
    }
  }

  double OverheadPerRow(double resident) const {
    const double rows = static_cast<double>(table_.rows());
    return (resident - before_) / rows - static_cast<double>(row_bytes_);
  }

 private:
  ps::EmbeddingTable table_;
  const size_t row_bytes_;
  std::vector<Key> keys_;
  std::vector<float> gradients_;
  const double before_;
};

}  // namespace

MemoryOverhead MeasureMemory(uint32_t dim, uint32_t rows) {
  GrowingTable table(dim);
  MemoryOverhead overhead;
  const uint32_t first = rows / 10;
  for (uint32_t sample = 0; sample <= kSamples; ++sample) {
    table.GrowTo(first + static_cast<uint32_t>(uint64_t{rows - first} * sample / kSamples));
    overhead.per_row = table.OverheadPerRow(ResidentBytes());
    overhead.per_row_growth += overhead.per_row / (kSamples + 1);
  }
  overhead.per_row_peak = table.OverheadPerRow(BytesIn("/proc/self/status", "VmHWM:"));
  return overhead;
}

}  // namespace freshet::perf
