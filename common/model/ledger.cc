#include "common/model/ledger.h"

#include <algorithm>

namespace freshet {
namespace {

class LedgerModel final : public Model {
 public:
  void Forward(const Batch& /*batch*/,
               const Parameters& /*parameters*/,
               std::span<float> logits) override {
    std::fill(logits.begin(), logits.end(), 0.0F);
  }

  void Backward(const Batch& batch,
                const Parameters& /*parameters*/,
                std::span<const float> /*logit_gradients*/,
                Gradients* gradients) override {
    const SparseInput& input = batch.inputs[0];
    for (size_t sample = 0; sample < batch.size(); ++sample) {
      for (uint32_t e = input.sample_begin[sample]; e < input.sample_begin[sample + 1]; ++e) {
        const std::span<float> row =
            gradients->embeddings[0].subspan(size_t{input.rows[e]} * kLedgerDim, kLedgerDim);
        LedgerEntry entry = ReadLedger(row);
        ++entry.count;
        entry.id_sum += batch.sample_ids[sample];
        WriteLedger(entry, row);
      }
    }
  }
};

}  // namespace

std::unique_ptr<Model> MakeLedgerModel() {
  return std::make_unique<LedgerModel>();
}

const ModelKind kLedgerKind = {
    .name = "ledger",
    .declare = [](const ModelSettings& settings,
                  proto::ModelSpec* spec) { DeclareRows("ledger", kLedgerDim, settings, spec); },
    .make = [](const proto::ModelSpec& /*spec*/) { return MakeLedgerModel(); },
};

}  // namespace freshet
