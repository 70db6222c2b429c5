#include "ps/optimizer/ledger.h"

#include <array>
#include <cstring>

namespace freshet::ps {
namespace {

// Integer sums. The bits are only ever copied: a float register could quieten a signalling NaN.
class Ledger final : public Optimizer {
 public:
  uint32_t state_dim() const override { return 0; }

  void InitState(const float* /*value*/, float* /*state*/) const override {}

  void Apply(std::span<const RowUpdate> updates, uint64_t /*step*/) const override {
    for (const RowUpdate& update : updates) {
      std::array<uint64_t, 2> sums{};
      std::array<uint64_t, 2> added{};
      std::memcpy(sums.data(), update.value, sizeof(sums));
      std::memcpy(added.data(), update.gradient, sizeof(added));
      sums[0] += added[0];
      sums[1] += added[1];
      std::memcpy(update.value, sums.data(), sizeof(sums));
    }
  }
};

}  // namespace

std::unique_ptr<Optimizer> MakeLedger() {
  return std::make_unique<Ledger>();
}

}  // namespace freshet::ps
