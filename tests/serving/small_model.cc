#include "tests/serving/small_model.h"

#include <catch2/catch.hpp>
#include <random>

#include "common/model/batch_builder.h"
#include "common/model/model.h"

namespace freshet::serving::test {
namespace {

constexpr int kMovies = 30;
constexpr int kGenres = 5;

proto::Slot MakeSlot(const std::string& name, const std::string& column, proto::Slot::Side side) {
  proto::Slot slot;
  slot.set_name(name);
  slot.set_column(column);
  slot.set_side(side);
  return slot;
}

}  // namespace

proto::ModelSpec SmallModel(const std::string& kind) {
  std::vector<proto::Slot> slots = {MakeSlot("user", "userId", proto::Slot::CONTEXT),
                                    MakeSlot("hour", "hour", proto::Slot::CONTEXT),
                                    MakeSlot("movie", "movieId", proto::Slot::ITEM),
                                    MakeSlot("genre", "genres", proto::Slot::ITEM)};
  slots[1].add_buckets(6);
  slots[1].add_buckets(18);
  slots[3].set_separator("|");
  ModelSettings settings;
  settings.kind = kind;
  settings.factors = kFactors;
  settings.mlp.add_hidden(5);
  settings.mlp.set_normalization(proto::Mlp::BATCH);
  settings.optimizer.mutable_sgd()->set_learning_rate(0.1F);
  settings.dense_optimizer.mutable_sgd()->set_learning_rate(0.1F);
  const auto model = DeclareModel(settings, slots);
  INFO(model.status().ToString());
  REQUIRE(model.ok());
  return *model;
}

Key KeyOf(const std::string& slot, const std::string& value) {
  return HashKey(SlotSeed(slot), value);
}

Rows RandomRows(uint32_t seed, uint32_t dim) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  Rows rows;
  const auto add = [&](const std::string& slot, const std::string& value) {
    std::vector<float>& row = rows[KeyOf(slot, value)];
    for (uint32_t i = 0; i < dim; ++i) {
      row.push_back(uniform(random));
    }
  };
  for (int i = 0; i < 10; ++i) {
    add("user", std::to_string(i));
  }
  for (const char* bucket : {"0", "1", "2"}) {
    add("hour", bucket);
  }
  for (int i = 1; i <= kMovies; ++i) {
    add("movie", std::to_string(i));
  }
  for (int i = 0; i < kGenres; ++i) {
    add("genre", "g" + std::to_string(i));
  }
  return rows;
}

float ForwardLogit(const proto::ModelSpec& model,
                   const Rows& rows,
                   float bias,
                   const RawFeatures& features) {
  Sample sample;
  for (const auto& [slot, value] : features) {
    sample.features.push_back({.key = KeyOf(slot, value)});
  }
  BatchBuilder builder(1);
  builder.Add(sample, 1, 1);
  const Batch batch = builder.Take();
  const uint32_t dim = model.embedding_variables(0).dim();
  std::vector<float> embeddings;
  for (const Key key : batch.inputs[0].keys) {
    const auto row = rows.find(key);
    const std::vector<float> values =
        row == rows.end() ? std::vector<float>(dim, 0.0F) : row->second;
    embeddings.insert(embeddings.end(), values.begin(), values.end());
  }
  Parameters parameters;
  parameters.embeddings.emplace_back(embeddings);
  parameters.dense.emplace_back(&bias, 1);
  float logit = 0.0F;
  (*MakeModel(model))->Forward(batch, parameters, std::span(&logit, 1));
  return logit;
}

std::string CatalogueText() {
  std::string text = "movieId,title,genres\n";
  for (int i = 1; i <= kMovies; ++i) {
    const std::string number = std::to_string(i);
    text += number + ",\"Movie, the " + number + "th\",g" + std::to_string(i % kGenres) + "|g" +
            std::to_string((i / kGenres) % kGenres) + "\n";
  }
  return text;
}

RawFeatures MovieFeatures(int movie) {
  return {{"movie", std::to_string(movie)},
          {"genre", "g" + std::to_string(movie % kGenres)},
          {"genre", "g" + std::to_string((movie / kGenres) % kGenres)}};
}

}  // namespace freshet::serving::test
