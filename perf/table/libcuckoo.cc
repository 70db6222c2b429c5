// libcuckoo::cuckoohash_map, rows in its buckets. Shared by the threads.
#include <libcuckoo/cuckoohash_map.hh>

#include "perf/table/contestant.h"
#include "perf/table/row.h"

namespace freshet::perf {
namespace {

// Becomes the row of a new key, where it will stand.
template <uint32_t kDim>
struct NewRow {
  const float* gradient;

  explicit operator Row<kDim>() const {
    Row<kDim> row;
    row.Init();
    row.Step(gradient);
    return row;
  }
};

template <uint32_t kDim>
class Libcuckoo final : public Contestant {
 public:
  void Pull(const Batch& batch, std::span<float> values) override {
    for (size_t i = 0; i < batch.keys.size(); ++i) {
      rows_.find_fn(batch.keys[i], [&](const Row<kDim>& row) { row.CopyValue(&values[i * kDim]); });
    }
  }

  void Push(const Batch& batch, std::span<const float> gradients) override {
    for (size_t i = 0; i < batch.keys.size(); ++i) {
      const float* const gradient = &gradients[i * kDim];
      rows_.upsert(
          batch.keys[i], [&](Row<kDim>& row) { row.Step(gradient); }, NewRow<kDim>{gradient});
    }
  }

 private:
  libcuckoo::cuckoohash_map<Key, Row<kDim>> rows_;
};

}  // namespace

std::unique_ptr<Contestant> MakeLibcuckoo(const TableShape& shape) {
  return ForDim(shape.dim, [](auto dim) { return std::make_unique<Libcuckoo<dim>>(); });
}

}  // namespace freshet::perf
