#include "serving/query.h"

#include <catch2/catch.hpp>

namespace freshet::serving {

TEST_CASE("a query is split and decoded", "[serving]") {
  const auto query = Query::Parse("slot=movie&values=a%26b+c&values=%C3%A9&&x=&y");
  REQUIRE(query.ok());
  CHECK(query->Get("slot", "") == "movie");
  CHECK(query->All("values") == std::vector<std::string>{"a&b c", "\xc3\xa9"});
  CHECK(query->Get("x", "-").empty());
  CHECK(query->Get("y", "-").empty());
  CHECK(query->Get("z", "-") == "-");
  CHECK(Query::Parse("")->All("a").empty());
}

TEST_CASE("what is wrong with a query is named", "[serving]") {
  for (const char* text : {"a=%", "a=%4", "a=%zz", "%-1=b"}) {
    INFO(text);
    CHECK(Query::Parse(text).status().code() == absl::StatusCode::kInvalidArgument);
  }
  const Status unknown = Query::Parse("limti=3")->OnlyKnown({"limit"});
  CHECK(MessageOf(unknown) == "query: unknown parameter 'limti'; did you mean 'limit'?");
}

}  // namespace freshet::serving
