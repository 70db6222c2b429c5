#include "common/model/ledger.h"

#include <catch2/catch.hpp>
#include <map>

#include "tests/common/model/model_fixture.h"

namespace freshet {
namespace {

TEST_CASE("a ledger gradient counts a key's occurrences and sums their sample ids", "[model]") {
  std::mt19937_64 random(21);
  BatchBuilder builder(1);
  std::map<Key, LedgerEntry> expected;
  for (int i = 0; i < 200; ++i) {
    Sample sample;
    const uint64_t id = random();  // sums pass 2^64, and look like NaN
    for (uint64_t f = random() % 5; f > 0; --f) {
      const Key key = random() % 30;
      sample.features.push_back(Feature{.key = key});
      ++expected[key].count;
      expected[key].id_sum += id;
    }
    builder.Add(sample, id, 0);
  }
  const Batch batch = builder.Take();
  const std::unique_ptr<Model> model = MakeLedgerModel();
  test::ModelRun run(batch, kLedgerDim, 0);
  Gradients gradients;
  gradients.embeddings = {run.embedding_gradients};
  run.logits.assign(batch.size(), 5.0F);
  model->Forward(batch, run.parameters(), run.logits);
  CHECK(run.logits == std::vector<float>(batch.size(), 0.0F));
  model->Backward(batch, run.parameters(), run.logits, &gradients);
  std::map<Key, LedgerEntry> got;
  for (size_t row = 0; row < batch.inputs[0].keys.size(); ++row) {
    got[batch.inputs[0].keys[row]] =
        ReadLedger(std::span<const float>(run.embedding_gradients).subspan(row * 4, 4));
  }
  CHECK((got == expected));
}

}  // namespace
}  // namespace freshet
