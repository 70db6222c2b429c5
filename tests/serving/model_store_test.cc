#include "serving/model_store.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "tests/serving/small_model.h"

namespace freshet::serving {
namespace {

constexpr uint64_t kUsers = 50;

// The part of a version that writes its number into every linear weight and into the bias.
PartContents NumberedPart(uint64_t version) {
  const auto number = static_cast<float>(version);
  EmbeddingRows rows;
  rows.variable = "factors";
  rows.dim = 1 + test::kFactors;
  const auto add = [&](const std::string& slot, const std::string& value) {
    rows.keys.push_back(test::KeyOf(slot, value));
    rows.values.insert(rows.values.end(), {number, 0.0F, 0.0F, 0.0F});
  };
  for (uint64_t i = 0; i < kUsers; ++i) {
    add("user", std::to_string(i));
  }
  for (int i = 1; i <= 30; ++i) {
    add("movie", std::to_string(i));
  }
  for (int i = 0; i < 5; ++i) {
    add("genre", "g" + std::to_string(i));
  }
  PartContents part;
  part.embeddings.push_back(rows);
  part.dense.push_back({.variable = "bias", .shape = {1}, .values = {number}, .states = {}});
  return part;
}

std::shared_ptr<const Catalogue> SmallCatalogue() {
  CatalogueSettings settings;
  settings.quoted = true;
  settings.header = true;
  settings.columns = {"movieId", "title", "genres"};
  settings.id_column = "movieId";
  auto catalogue = Catalogue::Parse(settings, test::CatalogueText());
  REQUIRE(catalogue.ok());
  return *catalogue;
}

// How many values of the snapshot are not of its version: rows, the bias, the items' index.
int Mixed(const Snapshot& snapshot) {
  const auto number = static_cast<float>(snapshot.facts().version.value());
  int mixed = snapshot.weights().dense(0)[0] == number ? 0 : 1;
  for (uint64_t i = 0; i < kUsers; ++i) {
    const auto row = snapshot.weights().table(0).Find(test::KeyOf("user", std::to_string(i)));
    mixed += !row.empty() && row[0] == number ? 0 : 1;
  }
  for (uint32_t item = 0; item < snapshot.index().size(); ++item) {
    mixed += snapshot.index().Bias(item) == 3.0F * number ? 0 : 1;  // a movie and two genres
  }
  return mixed;
}

VersionFacts Facts(uint64_t version) {
  VersionFacts facts;
  facts.version = VersionId(version);
  return facts;
}

void LoadNumbered(ModelStore& store, std::shared_ptr<const Schema> schema, uint64_t version) {
  const Status loaded = store.Load(Facts(version),
                                   std::move(schema),
                                   [&](const Weights& weights, const ModelStore::AddPart& add) {
                                     const PartContents part = NumberedPart(version);
                                     REQUIRE(weights.Check(part).ok());
                                     add(part);
                                     return absl::OkStatus();
                                   });
  REQUIRE(loaded.ok());
}

}  // namespace

TEST_CASE("readers never see a mixed version, however versions come in", "[serving]") {
  const auto schema = Schema::Make(test::SmallModel());
  REQUIRE(schema.ok());
  const auto catalogue = SmallCatalogue();
  ModelStore store;
  store.SetCatalogue(catalogue);
  LoadNumbered(store, *schema, 1);
  REQUIRE(store.current().index().size() == 30);
  std::atomic<bool> stop = false;
  std::atomic<int> mixed = 0;
  std::atomic<int> backwards = 0;
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      VersionId last;
      while (!stop.load()) {
        const ModelStore::ReadGuard snapshot = store.Acquire();
        mixed += Mixed(*snapshot);
        backwards += snapshot->facts().version < last ? 1 : 0;
        last = snapshot->facts().version;
      }
    });
  }
  for (uint64_t version = 2; version <= 120; ++version) {
    if (version % 20 == 0) {
      LoadNumbered(store, *schema, version);
    } else if (version % 20 == 1) {
      store.SetCatalogue(catalogue);
      store.Apply(Facts(version), std::vector<PartContents>{NumberedPart(version)});
    } else {
      store.Apply(Facts(version), std::vector<PartContents>{NumberedPart(version)});
    }
  }
  stop = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
  CHECK(mixed == 0);
  CHECK(backwards == 0);
  CHECK(store.Acquire()->facts().version == VersionId(120));
}

TEST_CASE("a load that fails half way leaves what was served", "[serving]") {
  const auto schema = Schema::Make(test::SmallModel());
  ModelStore store;
  store.SetCatalogue(SmallCatalogue());
  LoadNumbered(store, *schema, 1);
  const Status failed =
      store.Load(Facts(2), *schema, [](const Weights&, const ModelStore::AddPart& add) -> Status {
        add(NumberedPart(2));
        return DataLoss("the second part is damaged");
      });
  CHECK(failed.code() == absl::StatusCode::kDataLoss);
  CHECK(store.Acquire()->facts().version == VersionId(1));
  CHECK(Mixed(*store.Acquire()) == 0);
  store.Apply(Facts(3), std::vector<PartContents>{NumberedPart(3)});
  CHECK(Mixed(*store.Acquire()) == 0);
}

TEST_CASE("a row that is not for serving is not served, and leaves if it was", "[serving]") {
  const auto schema = Schema::Make(test::SmallModel());
  ModelStore store;
  store.SetCatalogue(SmallCatalogue());
  LoadNumbered(store, *schema, 1);
  const Key movie = test::KeyOf("movie", "1");
  const Key user = test::KeyOf("user", "new");
  const auto found = [&](Key key) {
    const ModelStore::ReadGuard snapshot = store.Acquire();
    const auto row = snapshot->weights().table(0).Find(key);
    return std::vector<float>(row.begin(), row.end());
  };
  const auto item_bias = [&] { return store.Acquire()->index().Bias(0); };
  REQUIRE(found(movie) == std::vector<float>{1, 0, 0, 0});
  REQUIRE(item_bias() == 3.0F);

  EmbeddingRows rows;
  rows.variable = "factors";
  rows.dim = 1 + test::kFactors;
  rows.keys = {movie, user};
  rows.values = {5, 0, 0, 0, 6, 0, 0, 0};
  rows.served = {0, 1};
  PartContents part;
  part.embeddings = {rows};
  store.Apply(Facts(2), std::vector<PartContents>{part});
  CHECK(found(movie).empty());
  CHECK(item_bias() == 2.0F);  // its two genres alone
  CHECK(found(user) == std::vector<float>{6, 0, 0, 0});

  part.embeddings[0].served = {1, 0};
  store.Apply(Facts(3), std::vector<PartContents>{part});
  CHECK(found(movie) == std::vector<float>{5, 0, 0, 0});
  CHECK(item_bias() == 7.0F);
  CHECK(found(user).empty());

  part.embeddings[0].served.clear();
  store.Apply(Facts(4), std::vector<PartContents>{part});
  CHECK(found(user) == std::vector<float>{6, 0, 0, 0});
}

TEST_CASE("a part of another model is told apart", "[serving]") {
  const auto schema = Schema::Make(test::SmallModel());
  const Weights weights((*schema)->model());
  PartContents part = NumberedPart(1);
  CHECK(weights.Check(part).ok());
  part.embeddings[0].dim = 2;
  CHECK(MessageOf(weights.Check(part)) ==
        "embedding variable 'factors' has rows of 2 floats, the model says 4");
  part = NumberedPart(1);
  part.embeddings[0].variable = "deep";
  CHECK(MessageOf(weights.Check(part)) == "embedding variable 'deep' is not in the model");
  part = NumberedPart(1);
  part.dense[0].values = {1.0F, 2.0F};
  CHECK_FALSE(weights.Check(part).ok());
}

}  // namespace freshet::serving
