#include "tests/serving/node.h"

#include <catch2/catch.hpp>

namespace freshet::serving::test {
namespace {

rapidjson::Document Parse(const http::Response& response, int status) {
  INFO(response.body);
  REQUIRE(response.status == status);
  CHECK(response.content_type == "application/json");
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag>(response.body.c_str());
  REQUIRE_FALSE(document.HasParseError());
  REQUIRE(document.IsObject());
  return document;
}

}  // namespace

CatalogueSettings SmallCatalogue(const TestLog& log) {
  CatalogueSettings settings;
  settings.path = log.Path("movies.csv");
  settings.quoted = true;
  settings.header = true;
  settings.columns = {"movieId", "title", "genres"};
  settings.id_column = "movieId";
  settings.title_column = "title";
  return settings;
}

Node::Node(const TestLog& log, FileSystem& files)
    : metrics(registry),
      catalogue(files, SmallCatalogue(log), store, metrics),
      follower(files, clock, log.directory(), store, metrics),
      api(clock, store, follower, metrics) {}

void Node::LoadCatalogue(const TestLog& log) {
  log.WriteFile("movies.csv", CatalogueText());
  const Status loaded = catalogue.Load();
  INFO(loaded.ToString());
  REQUIRE(loaded.ok());
}

http::Response Node::Get(const std::string& target) {
  const size_t mark = std::min(target.find('?'), target.size());
  return api.Handle({.method = "GET",
                     .path = target.substr(0, mark),
                     .query = mark < target.size() ? target.substr(mark + 1) : "",
                     .body = ""});
}

http::Response Node::Post(const std::string& path, const std::string& body) {
  return api.Handle({.method = "POST", .path = path, .query = "", .body = body});
}

rapidjson::Document Node::GetJson(const std::string& target, int status) {
  return Parse(Get(target), status);
}

rapidjson::Document Node::PostJson(const std::string& path, const std::string& body, int status) {
  return Parse(Post(path, body), status);
}

std::string Node::PostError(const std::string& path, const std::string& body, int status) {
  const rapidjson::Document document = PostJson(path, body, status);
  REQUIRE(document.HasMember("error"));
  return document["error"].GetString();
}

}  // namespace freshet::serving::test
