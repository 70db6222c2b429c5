#include <catch2/catch.hpp>
#include <limits>

#include "serving/json_reader.h"
#include "serving/json_writer.h"

namespace freshet::serving {
namespace {

JsonDocument Read(const std::string& text) {
  auto document = JsonDocument::Parse(text);
  INFO(document.status().ToString());
  REQUIRE(document.ok());
  return *std::move(document);
}

}  // namespace

TEST_CASE("JSON is written with commas and escapes where they belong", "[serving]") {
  JsonWriter json;
  json.BeginObject();
  json.Key("a").Uint(18446744073709551615U);
  json.Key("b").BeginArray().Int(-1).Bool(true).Null().EndArray();
  json.Key("c").BeginObject().EndObject();
  json.Key("d\"\\\n").String("\x01\xc3\xa9");
  json.Key("e").BeginArray().BeginArray().EndArray().BeginObject().EndObject().EndArray();
  json.EndObject();
  CHECK(json.text() ==
        "{\"a\":18446744073709551615,\"b\":[-1,true,null],\"c\":{},"
        "\"d\\\"\\\\\\u000a\":\"\\u0001\xc3\xa9\",\"e\":[[],{}]}");
}

TEST_CASE("floats are written as short as they read back, and never as what JSON lacks",
          "[serving]") {
  JsonWriter json;
  json.BeginArray();
  json.Float(0.1F).Float(1.0F).Float(-1e-30F).Double(0.1);
  json.Float(std::numeric_limits<float>::infinity());
  json.Float(std::numeric_limits<float>::quiet_NaN());
  json.EndArray();
  CHECK(json.text() == "[0.1,1,-1e-30,0.1,null,null]");
}

TEST_CASE("bytes that are no UTF-8 are replaced one by one", "[serving]") {
  const auto written = [](const std::string& text) { return JsonWriter().String(text).text(); };
  const std::string bad = "\xef\xbf\xbd";
  CHECK(written("caf\xe9") == "\"caf" + bad + "\"");                // Latin-1
  CHECK(written("\xc0\xaf") == "\"" + bad + bad + "\"");            // overlong
  CHECK(written("\xed\xa0\x80") == "\"" + bad + bad + bad + "\"");  // surrogate
  CHECK(written("\xf4\x90\x80\x80") == "\"" + bad + bad + bad + bad + "\"");
  CHECK(written("\xe2\x82") == "\"" + bad + bad + "\"");  // cut off
  CHECK(written("\xe2\x82\xac\xf0\x9f\x98\x80") == "\"\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

TEST_CASE("a number is the text it is written as", "[serving]") {
  const JsonDocument document = Read(R"({"a": 12, "b": "12", "c": 1.50, "d": null})");
  const auto fields = document.root().Fields();
  REQUIRE(fields.ok());
  REQUIRE(fields->size() == 3);
  CHECK((*fields)[0].second == "12");
  CHECK((*fields)[1].second == "12");
  CHECK((*fields)[2].second == "1.50");
  CHECK(*document.root().Number("a", 1, 1, 100) == 12);
  CHECK(*document.root().Number("d", 7, 1, 100) == 7);
}

TEST_CASE("a body that is no JSON object is refused with the place", "[serving]") {
  CHECK(MessageOf(JsonDocument::Parse("{\"a\": }").status()).find("at byte 6") !=
        std::string::npos);
  for (const char* text : {"", "[]", "1", "null", "{} {}", "{\"a\":\"\xff\"}", "{a:1}"}) {
    INFO(text);
    CHECK(JsonDocument::Parse(text).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("a million open brackets are refused, not followed", "[serving]") {
  CHECK_FALSE(JsonDocument::Parse("{\"a\":" + std::string(1'000'000, '[')).ok());
  const JsonDocument deep =
      Read("{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}");
  CHECK_FALSE(deep.root().Object("a").ok());
}

TEST_CASE("a field of a wrong kind is named with its path", "[serving]") {
  const JsonDocument document =
      Read(R"({"o": {"x": []}, "l": [{"y": true}, 3], "k": "x", "n": -1, "t": {"a": 1, "a": 2}})");
  const JsonObject root = document.root();
  CHECK(MessageOf(root.Object("o")->Fields().status()) ==
        "field 'o.x' should be a text or number, it is a list");
  CHECK(MessageOf(root.Objects("l", 10).status()) ==
        "field 'l[1]' should be an object, it is a text or number");
  CHECK(MessageOf(root.Objects("l", 1).status()).find("2 entries, at most 1") != std::string::npos);
  CHECK(MessageOf(root.Number("k", 1, 1, 5).status()) ==
        "field 'k' should be a whole number from 1 to 5, it is x");
  CHECK_FALSE(root.Number("n", 1, 0, 5).ok());
  CHECK_FALSE(root.Number("o", 1, 0, 5).ok());
  CHECK(MessageOf(root.Strings("l", 10).status()) ==
        "field 'l[0]' should be a text, it is an object");
  CHECK(MessageOf(root.Object("t")->Fields().status()) == "field 't.a' is there twice");
  CHECK(MessageOf(root.Object("z").status()) == "field 'z' is missing; it should be an object");
  CHECK(MessageOf(root.OnlyKnown({"o", "l", "k", "n", "tree"})) ==
        "unknown field 't'; known: o, l, k, n, tree");
}

}  // namespace freshet::serving
