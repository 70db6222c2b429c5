#include "serving/api.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "common/model/ledger.h"
#include "common/model/model.h"
#include "tests/serving/node.h"

namespace freshet::serving::test {
namespace {

constexpr float kBias = -0.3F;

// A node that serves RandomRows and the small catalogue.
struct Served {
  explicit Served(const std::string& kind = "fm")
      : log(SmallModel(kind)),
        rows(RandomRows(1, log.model().embedding_variables(0).dim())),
        node(log) {
    node.LoadCatalogue(log);
    log.Base(rows, kBias);
    node.follower.Poll();
    REQUIRE(node.version() == 1);
  }

  float Logit(RawFeatures context, const RawFeatures& item) const {
    context.insert(context.end(), item.begin(), item.end());
    return ForwardLogit(log.model(), rows, kBias, context);
  }

  TestLog log;
  Rows rows;
  Node node;
};

const RawFeatures kContext = {{"user", "3"}, {"hour", "1"}};  // hour 9 is in bucket 1
constexpr char kContextJson[] = R"("context":{"userId":3,"hour":"9"})";

std::string Body(const std::string& rest) {
  return std::string("{") + kContextJson + "," + rest + "}";
}

// Movies by the worker's logit, best first.
std::vector<std::pair<float, int>> Ranking(const Served& served) {
  std::vector<std::pair<float, int>> ranking;
  for (int movie = 1; movie <= 30; ++movie) {
    ranking.emplace_back(-served.Logit(kContext, MovieFeatures(movie)), movie);
  }
  std::sort(ranking.begin(), ranking.end());
  for (auto& [score, movie] : ranking) {
    score = -score;
  }
  return ranking;
}

}  // namespace

TEST_CASE("predict gives the probabilities that the worker's model gives", "[serving]") {
  for (const char* kind : {"fm", "lr"}) {
    INFO(kind);
    Served served(kind);
    const auto answer = served.node.PostJson(
        "/v1/predict",
        Body(R"("candidates":[{"movieId":"1","genres":"g0|g4"},{"movieId":17},)"
             R"({"movieId":"unknown","genres":"g1"},{}])"));
    CHECK(answer["version"].GetUint64() == 1);
    const auto& scores = answer["scores"];
    REQUIRE(scores.Size() == 4);
    const auto expect = [&](int i, const RawFeatures& item) {
      CHECK(scores[i].GetFloat() == Approx(Sigmoid(served.Logit(kContext, item))).margin(1e-5));
    };
    expect(0, {{"movie", "1"}, {"genre", "g0"}, {"genre", "g4"}});
    expect(1, {{"movie", "17"}});
    expect(2, {{"genre", "g1"}});
    expect(3, {});

    const auto by_id = served.node.PostJson("/v1/predict", Body(R"("items":["7",30])"));
    REQUIRE(by_id["scores"].Size() == 2);
    CHECK(by_id["scores"][0].GetFloat() ==
          Approx(Sigmoid(served.Logit(kContext, MovieFeatures(7)))).margin(1e-5));
    CHECK(by_id["scores"][1].GetFloat() ==
          Approx(Sigmoid(served.Logit(kContext, MovieFeatures(30)))).margin(1e-5));
  }
}

TEST_CASE("a request without context is one of nobody", "[serving]") {
  Served served;
  const auto answer = served.node.PostJson("/v1/predict", R"({"items":["7"]})");
  CHECK(answer["scores"][0].GetFloat() ==
        Approx(Sigmoid(served.Logit({}, MovieFeatures(7)))).margin(1e-5));
}

TEST_CASE("recall gives the items that the worker's model ranks first", "[serving]") {
  Served served;
  const auto ranking = Ranking(served);
  const auto answer = served.node.PostJson("/v1/recall", Body(R"("k":12)"));
  REQUIRE(answer["items"].Size() == 12);
  for (int i = 0; i < 12; ++i) {
    const auto expected = ranking[static_cast<size_t>(i)];
    CHECK(answer["items"][i]["id"].GetString() == std::to_string(expected.second));
    CHECK(answer["items"][i]["score"].GetFloat() == Approx(expected.first).margin(1e-5));
  }
  const auto rest = served.node.PostJson(
      "/v1/recall",
      Body("\"k\":100,\"exclude\":[\"" + std::to_string(ranking[0].second) + "\",\"unknown\"]"));
  REQUIRE(rest["items"].Size() == 29);
  CHECK(rest["items"][0]["id"].GetString() == std::to_string(ranking[1].second));
}

TEST_CASE("recommend ranks what recall finds, with titles and probabilities", "[serving]") {
  Served served;
  const auto ranking = Ranking(served);
  const auto answer = served.node.PostJson(
      "/v1/recommend",
      Body("\"k\":5,\"candidates\":20,\"exclude\":[" + std::to_string(ranking[2].second) + "]"));
  REQUIRE(answer["items"].Size() == 5);
  const size_t order[] = {0, 1, 3, 4, 5};
  for (int i = 0; i < 5; ++i) {
    const auto expected = ranking[order[i]];
    const std::string id = std::to_string(expected.second);
    CHECK(answer["items"][i]["id"].GetString() == id);
    CHECK(answer["items"][i]["title"].GetString() == "Movie, the " + id + "th");
    CHECK(answer["items"][i]["score"].GetFloat() == Approx(Sigmoid(expected.first)).margin(1e-5));
  }
}

TEST_CASE("a delta moves the items that it touches, and a tombstone takes its part away",
          "[serving]") {
  Served served;
  const Rows changed = {{KeyOf("genre", "g2"), {5.0F, 1.0F, -1.0F, 2.0F}}};
  served.log.Delta(changed, kBias, {KeyOf("movie", "4")});
  served.node.follower.Poll();
  served.rows[KeyOf("genre", "g2")] = changed.at(KeyOf("genre", "g2"));
  served.rows.erase(KeyOf("movie", "4"));
  const auto ranking = Ranking(served);
  const auto answer = served.node.PostJson("/v1/recall", Body(R"("k":30)"));
  CHECK(answer["version"].GetUint64() == 2);
  REQUIRE(answer["items"].Size() == 30);
  for (int i = 0; i < 30; ++i) {
    CHECK(answer["items"][i]["id"].GetString() ==
          std::to_string(ranking[static_cast<size_t>(i)].second));
    CHECK(answer["items"][i]["score"].GetFloat() ==
          Approx(ranking[static_cast<size_t>(i)].first).margin(1e-4));
  }
}

TEST_CASE("a changed catalogue is served without a new version", "[serving]") {
  Served served;
  served.node.catalogue.Look();  // nothing has changed
  CHECK(served.node.metrics.catalogue_loads.Value() == 1);
  served.log.WriteFile("movies.csv", "movieId,title,genres\n5,Five,g1\n77,New one,g0|g1\n");
  served.node.catalogue.Look();
  const auto answer = served.node.PostJson("/v1/recommend", Body(R"("k":10)"));
  REQUIRE(answer["items"].Size() == 2);
  CHECK(answer["version"].GetUint64() == 1);

  served.log.WriteFile("movies.csv", "movieId,title,genres\n5,Five\n");
  served.node.catalogue.Look();
  served.node.catalogue.Look();
  CHECK(served.node.metrics.catalogue_errors.Value() == 1);
  CHECK(served.node.PostJson("/v1/recommend", Body(R"("k":10)"))["items"].Size() == 2);
}

TEST_CASE("every answer names its version, and what a rollback restores", "[serving]") {
  Served served;
  served.log.Delta({}, 0.5F);
  served.log.Rollback(VersionId(1));
  served.node.follower.Poll();
  Node& node = served.node;
  const auto check = [](const rapidjson::Document& answer) {
    CHECK(answer["version"].GetUint64() == 3);
    CHECK(answer["restores"].GetUint64() == 1);
  };
  check(node.PostJson("/v1/predict", R"({"items":["1"]})"));
  check(node.PostJson("/v1/recall", "{}"));
  check(node.PostJson("/v1/recommend", "{}"));
  check(node.PostJson("/v1/embeddings", R"({"keys":["1"]})"));
  check(node.GetJson("/v1/embeddings?keys=1"));
  check(node.GetJson("/v1/model"));
  check(node.GetJson("/v1/versions"));
  check(node.GetJson("/health"));
}

TEST_CASE("embeddings are looked up by key and by value", "[serving]") {
  Served served;
  const std::string key = std::to_string(KeyOf("movie", "3"));
  const std::string large = "18446744073709551615";
  const auto by_key = served.node.PostJson(
      "/v1/embeddings", R"({"variable":"factors","keys":[")" + key + R"(",")" + large + R"("]})");
  CHECK(by_key["variable"].GetString() == std::string("factors"));
  CHECK(by_key["dim"].GetUint() == 4);
  CHECK(by_key["keys"][1].GetString() == large);
  REQUIRE(by_key["values"].Size() == 2);
  CHECK(by_key["values"][1].IsNull());
  const std::vector<float>& expected = served.rows.at(KeyOf("movie", "3"));
  REQUIRE(by_key["values"][0].Size() == 4);
  for (rapidjson::SizeType i = 0; i < 4; ++i) {
    CHECK(by_key["values"][0][i].GetFloat() == expected[i]);  // floats come back bit for bit
  }
  const auto by_value = served.node.GetJson("/v1/embeddings?slot=movie&values=3&values=none");
  CHECK(by_value["keys"][0].GetString() == key);
  CHECK(by_value["values"][0] == by_key["values"][0]);
  CHECK(by_value["values"][1].IsNull());
  CHECK(served.node.PostJson("/v1/embeddings", R"({"slot":"hour","values":["9"]})")["keys"][0]
            .GetString() == std::to_string(KeyOf("hour", "1")));
}

TEST_CASE("a ledger's embeddings are its numbers, as text", "[serving]") {
  TestLog log(SmallModel("ledger"));
  Rows rows;
  std::vector<float>& row = rows[KeyOf("movie", "1")];
  row.resize(kLedgerDim);
  WriteLedger({.count = 3, .id_sum = ~uint64_t{0}}, row);
  log.Base(rows, 0.0F);
  Node node(log);
  node.follower.Poll();
  const auto answer = node.GetJson("/v1/embeddings?slot=movie&values=1");
  REQUIRE(answer["values"][0].Size() == 2);
  CHECK(answer["values"][0][0].GetString() == std::string("3"));
  CHECK(answer["values"][0][1].GetString() == std::string("18446744073709551615"));
  CHECK(node.PostError("/v1/predict", R"({"items":[]})").find("ledger has no scores") !=
        std::string::npos);
}

TEST_CASE("the model says which fields a request may have", "[serving]") {
  Served served;
  const auto answer = served.node.GetJson("/v1/model");
  CHECK(answer["kind"].GetString() == std::string("fm"));
  CHECK(answer["fields"]["context"][1].GetString() == std::string("hour"));
  CHECK(answer["fields"]["item"][0].GetString() == std::string("movieId"));
  CHECK(answer["slots"].Size() == 4);
  CHECK(answer["slots"][1]["buckets"][1].GetDouble() == 18.0);
  CHECK(answer["variables"][0]["rows"].GetUint64() == served.rows.size());
  CHECK(answer["items"]["count"].GetUint64() == 30);
}

TEST_CASE("the model says how many items can be recommended, or why none", "[serving]") {
  Served deep("deepfm");
  const auto of_deep = deep.node.GetJson("/v1/model");
  CHECK(of_deep["items"]["count"].GetUint64() == 30);
  CHECK(!of_deep["items"].HasMember("problem"));
  CHECK(deep.node.metrics.items.Value() == 30.0);
  Served lr("lr");
  const auto of_lr = lr.node.GetJson("/v1/model");
  CHECK(of_lr["items"]["count"].GetUint64() == 0);
  CHECK(std::string(of_lr["items"]["problem"].GetString()).find("ranks all items alike") !=
        std::string::npos);
  CHECK(lr.node.metrics.items.Value() == 0.0);
}

TEST_CASE("versions are listed newest first, with what was refused", "[serving]") {
  Served served;
  served.log.Damage(served.log.Delta(RandomRows(2), 0.5F));
  served.node.follower.Poll();
  const auto answer = served.node.GetJson("/v1/versions");
  CHECK(answer["total"].GetUint64() == 2);
  const auto& newest = answer["versions"][0];
  CHECK(newest["version"].GetUint64() == 2);
  CHECK(newest["kind"].GetString() == std::string("delta"));
  CHECK_FALSE(newest["served"].GetBool());
  CHECK(std::string(newest["refused"].GetString()).find("part-0-0") != std::string::npos);
  CHECK(newest["metrics"]["auc"].GetDouble() == 0.75);
  CHECK(answer["versions"][1]["served"].GetBool());
  CHECK(answer["versions"][1]["rows"].GetUint64() == served.rows.size());
  CHECK(served.node.GetJson("/v1/versions?limit=1")["versions"].Size() == 1);
}

TEST_CASE("metrics count answers by endpoint and code, and bound the labels", "[serving]") {
  Served served;
  served.node.Post("/v1/recall", "{}");
  served.node.Post("/v1/recall", "{");
  served.node.Get("/made/up/1");
  served.node.Get("/made/up/2");
  const http::Response response = served.node.Get("/metrics");
  CHECK(response.status == 200);
  const auto has = [&](const std::string& line) {
    return response.body.find(line) != std::string::npos;
  };
  CHECK(has(R"(freshet_serving_requests_total{code="200",endpoint="/v1/recall"} 1)"));
  CHECK(has(R"(freshet_serving_requests_total{code="400",endpoint="/v1/recall"} 1)"));
  CHECK(has(R"(freshet_serving_requests_total{code="404",endpoint="other"} 2)"));
  CHECK_FALSE(has("made"));
  CHECK(has("freshet_serving_version 1"));
  CHECK(has("freshet_serving_freshness_seconds 99999999.5"));  // 1.8e9 - (1.7e9 + 1 - 0.5)
  CHECK(served.node.api.requests() == 5);
}

}  // namespace freshet::serving::test
