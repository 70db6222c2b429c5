#include <catch2/catch.hpp>

#include "serving/api.h"
#include "serving/lookup_requests.h"
#include "serving/score_requests.h"
#include "tests/serving/node.h"

namespace freshet::serving::test {
namespace {

struct Served {
  explicit Served(const std::string& kind = "fm") : log(SmallModel(kind)), node(log) {
    node.LoadCatalogue(log);
    log.Base(RandomRows(1, log.model().embedding_variables(0).dim()), 0.0F);
    node.follower.Poll();
    REQUIRE(node.version() == 1);
  }

  TestLog log;
  Node node;
};

}  // namespace

TEST_CASE("before the first version every endpoint but metrics answers 503 with the reason",
          "[serving]") {
  const TestLog log;
  Node node(log);
  node.follower.Poll();
  for (const char* path : {"/v1/predict", "/v1/recall", "/v1/recommend", "/v1/embeddings"}) {
    INFO(path);
    CHECK(node.PostError(path, "{}", 503) ==
          "no version is served yet: the log " + log.directory() + " has no version yet");
  }
  CHECK(node.Get("/v1/model").status == 503);
  CHECK(node.Get("/health").status == 503);
  CHECK(node.Get("/metrics").status == 200);
  CHECK(node.GetJson("/v1/versions")["versions"].Size() == 0);
}

TEST_CASE("an unknown path is answered with 404 and the nearest one", "[serving]") {
  const TestLog log;
  Node node(log);
  CHECK(node.PostError("/v1/predcit", "", 404) ==
        "no path '/v1/predcit'; did you mean '/v1/predict'?");
  CHECK(node.PostError("/", "", 404).find("/v1/recommend") != std::string::npos);
}

TEST_CASE("a wrong method is answered with 405 and the right ones", "[serving]") {
  const TestLog log;
  Node node(log);
  const http::Response response = node.Get("/v1/predict");
  CHECK(response.status == 405);
  CHECK(response.allow == "POST");
  CHECK(response.body == R"({"error":"/v1/predict takes POST, not GET"})");
  CHECK(node.api.Handle({.method = "DELETE", .path = "/v1/embeddings", .query = "", .body = ""})
            .allow == "GET, POST");
}

TEST_CASE("what is wrong with a predict request is named", "[serving]") {
  Served served;
  const auto error = [&](const std::string& body) {
    return served.node.PostError("/v1/predict", body);
  };
  CHECK(error("{\"items\": nothing}").find("no JSON at byte 11: ") != std::string::npos);
  CHECK(error("[]") == "the body should be a JSON object, it is a list");
  CHECK(error("{}").find("this one has neither") != std::string::npos);
  CHECK(error(R"({"items":[],"candidates":[]})").find("this one has both") != std::string::npos);
  CHECK(error(R"({"item":["1"]})") == "unknown field 'item'; did you mean 'items'?");
  CHECK(error(R"({"context":{"userid":"1"},"items":[]})") ==
        "context: unknown field 'userid' of the context; did you mean 'userId'?");
  CHECK(error(R"({"context":{"genres":"1"},"items":[]})") ==
        "context: field 'genres' belongs to the item, not to the context");
  CHECK(error(R"({"candidates":[{},{"userId":"1"}]})") ==
        "candidates[1]: field 'userId' belongs to the context, not to the item");
  CHECK(error(R"({"context":{"hour":"noon"},"items":[]})").find("field 'context.hour': ") == 0);
  CHECK(error(R"({"context":"12","items":[]})") ==
        "field 'context' should be an object, it is a text or number");
  CHECK(error(R"({"items":["1","999"]})") == "field 'items[1]': the catalogue has no item '999'");
  CHECK(error(R"({"candidates":[{"movieId":["1"]}]})") ==
        "field 'candidates[0].movieId' should be a text or number, it is a list");
  std::string many = R"({"items":["1")";
  for (size_t i = 0; i < kMostCandidates; ++i) {
    many += ",\"1\"";
  }
  CHECK(error(many + "]}") ==
        "field 'items' has 10001 entries, at most 10000 are allowed in a request");
}

TEST_CASE("what is wrong with a recall or recommend request is named", "[serving]") {
  Served served;
  CHECK(served.node.PostError("/v1/recall", R"({"k":0})") ==
        "field 'k' should be a whole number from 1 to 10000, it is 0");
  CHECK(served.node.PostError("/v1/recall", R"({"k":10,"candidates":5})") ==
        "unknown field 'candidates'; known: context, k, exclude");
  CHECK(served.node.PostError("/v1/recommend", R"({"k":10,"candidates":5})") ==
        "field 'candidates' should be a whole number from 10 to 10000, it is 5");
  CHECK(served.node.PostError("/v1/recommend", R"({"exclude":"1"})") ==
        "field 'exclude' should be a list of texts, it is a text or number");
}

TEST_CASE("recall needs fm, and a catalogue that fits", "[serving]") {
  Served lr("lr");
  CHECK(lr.node.PostError("/v1/recall", "{}").find("needs a model of kind fm, this one is of") !=
        std::string::npos);
  CHECK(lr.node.PostError("/v1/recommend", "{}").find("kind fm") != std::string::npos);

  TestLog log;
  Node bare(log);
  log.Base(RandomRows(1), 0.0F);
  bare.follower.Poll();
  CHECK(bare.PostError("/v1/recall", "{}", 409) ==
        "no items to choose from: no catalogue is configured (serving.catalogue)");
  CHECK(bare.PostError("/v1/predict", R"({"items":["1"]})", 409).find("no catalogue") !=
        std::string::npos);

  CatalogueSettings settings = SmallCatalogue(log);
  settings.columns = {"movieId", "title", "tags"};
  log.WriteFile("movies.csv", CatalogueText());
  bare.store.SetCatalogue(*Catalogue::Load(LocalFileSystem(), settings));
  CHECK(bare.PostError("/v1/recall", "{}", 409)
            .find("slot 'genre' reads column 'genres', which is not there; columns: movieId") !=
        std::string::npos);
  CHECK(std::string(bare.GetJson("/v1/model")["items"]["problem"].GetString()).find("genres") !=
        std::string::npos);
}

TEST_CASE("what is wrong with an embeddings request is named", "[serving]") {
  Served served;
  const auto error = [&](const std::string& body) {
    return served.node.PostError("/v1/embeddings", body);
  };
  CHECK(error(R"({"variable":"factor","keys":["1"]})") ==
        "unknown embedding variable 'factor'; did you mean 'factors'?");
  CHECK(error(R"({"keys":["1","-1"]})").find("field 'keys[1]' should be a whole number") == 0);
  CHECK(error(R"({"keys":["18446744073709551616"]})").find("field 'keys[0]'") == 0);
  CHECK(error(R"({"slot":"movies","values":["1"]})").find("did you mean 'movie'?") !=
        std::string::npos);
  CHECK(error(R"({"slot":"genre","values":["g0|g1"]})") ==
        "field 'values[0]': 'g0|g1' makes 2 features of slot 'genre', it should make one");
  CHECK(error(R"({"slot":"hour","values":["x"]})").find("field 'values[0]': ") == 0);
  for (const char* body : {"{}",
                           R"({"slot":"movie"})",
                           R"({"values":["1"]})",
                           R"({"keys":["1"],"slot":"movie","values":["1"]})"}) {
    INFO(body);
    CHECK(error(body).find("either 'keys', or a 'slot' and 'values'") != std::string::npos);
  }
  CHECK(served.node.Get("/v1/embeddings?key=1").status == 400);
  CHECK(served.node.Get("/v1/embeddings?keys=%zz").status == 400);
  CHECK(served.node.Get("/v1/versions?limit=0").status == 400);
  CHECK(served.node.Get("/v1/versions?limit=1001").status == 400);
}

}  // namespace freshet::serving::test
