#include <catch2/catch.hpp>
#include <random>

#include "common/model/batch_builder.h"
#include "common/model/model.h"
#include "tests/serving/node.h"

namespace freshet::serving {
namespace {

using test::KeyOf;
using test::RawFeatures;
using test::Rows;

constexpr char kContextJson[] = R"("context":{"userId":3,"hour":"9"})";
const RawFeatures kContext = {{"user", "3"}, {"hour", "1"}};  // hour 9 is in bucket 1

// A node that serves a deep model whose parameters are all random.
struct DeepNode {
  explicit DeepNode(const std::string& kind)
      : log(test::SmallModel(kind)),
        rows(test::RandomRows(7, log.model().embedding_variables(0).dim())),
        node(log) {
    node.LoadCatalogue(log);
    PartContents part = log.MakePart(rows, {});
    std::mt19937 random(11);
    std::uniform_real_distribution<float> uniform(0.1F, 1.0F);  // a variance is above 0
    for (const proto::DenseVariable& variable : log.model().dense_variables()) {
      size_t elements = 1;
      for (const uint32_t extent : variable.shape()) {
        elements *= extent;
      }
      std::vector<float>& values = dense.emplace_back(elements);
      for (float& value : values) {
        value = uniform(random);
      }
      part.dense.push_back({.variable = variable.name(),
                            .shape = {variable.shape().begin(), variable.shape().end()},
                            .values = values,
                            .states = {}});
    }
    log.Base({}, 0.0F);
    log.DeltaOf(part);
    node.follower.Poll();
  }

  // By way of the worker's arithmetic.
  float Logit(const RawFeatures& item) const {
    Sample sample;
    for (const RawFeatures& side : {kContext, item}) {
      for (const auto& [slot, value] : side) {
        sample.features.push_back({.key = KeyOf(slot, value), .slot = SlotOf(slot)});
      }
    }
    BatchBuilder builder(1);
    builder.Add(sample, 1, 1);
    const Batch batch = builder.Take();
    std::vector<float> embeddings;
    for (const Key key : batch.inputs[0].keys) {
      const auto row = rows.find(key);
      REQUIRE(row != rows.end());
      embeddings.insert(embeddings.end(), row->second.begin(), row->second.end());
    }
    Parameters parameters;
    parameters.embeddings.emplace_back(embeddings);
    for (const std::vector<float>& values : dense) {
      parameters.dense.emplace_back(values);
    }
    float logit = 0.0F;
    (*MakeModel(log.model()))->Score(batch, parameters, std::span(&logit, 1));
    return logit;
  }

  uint16_t SlotOf(const std::string& name) const {
    for (int i = 0; i < log.model().slots_size(); ++i) {
      if (log.model().slots(i).name() == name) {
        return static_cast<uint16_t>(i);
      }
    }
    FAIL("no slot " << name);
    return 0;
  }

  test::TestLog log;
  Rows rows;
  std::vector<std::vector<float>> dense;
  test::Node node;
};

std::string Body(const std::string& rest) {
  return std::string("{") + kContextJson + "," + rest + "}";
}

TEST_CASE("deep models predict what the worker's arithmetic scores", "[serving]") {
  for (const char* kind : {"wide_deep", "deepfm", "dcn"}) {
    INFO(kind);
    DeepNode served(kind);
    const auto answer = served.node.PostJson(
        "/v1/predict", Body(R"("candidates":[{"movieId":"1","genres":"g0|g4"},{"movieId":17}])"));
    const auto& scores = answer["scores"];
    REQUIRE(scores.Size() == 2);
    const RawFeatures first = {{"movie", "1"}, {"genre", "g0"}, {"genre", "g4"}};
    CHECK(scores[0].GetFloat() == Approx(Sigmoid(served.Logit(first))).margin(1e-5));
    CHECK(scores[1].GetFloat() == Approx(Sigmoid(served.Logit({{"movie", "17"}}))).margin(1e-5));
  }
}

TEST_CASE("deep models recommend the items that they score highest", "[serving]") {
  DeepNode served("deepfm");
  const auto answer = served.node.PostJson("/v1/recommend", Body(R"("k":3,"exclude":["2"])"));
  float best = 0.0F;
  int best_movie = 0;
  for (int movie = 1; movie <= 30; ++movie) {
    const float score = Sigmoid(served.Logit(test::MovieFeatures(movie)));
    if (movie != 2 && score > best) {
      best = score;
      best_movie = movie;
    }
  }
  REQUIRE(answer["items"].Size() == 3);
  CHECK(answer["items"][0]["score"].GetFloat() == Approx(best).margin(1e-5));
  CHECK(answer["items"][0]["id"].GetString() == std::to_string(best_movie));
}

TEST_CASE("recall says which kinds it needs", "[serving]") {
  DeepNode served("dcn");
  CHECK_THAT(served.node.PostError("/v1/recall", Body(R"("k":3)")),
             Catch::Contains("needs a model of kind fm, this one is of kind dcn"));
}

}  // namespace
}  // namespace freshet::serving
