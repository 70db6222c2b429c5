#include <catch2/catch.hpp>

#include "common/http/address.h"
#include "common/http/http_server.h"

namespace freshet::http {

TEST_CASE("an address is split at its last colon", "[http]") {
  CHECK(SplitAddress("localhost:80")->host == "localhost");
  CHECK(SplitAddress("127.0.0.1:8080")->port == "8080");
  CHECK(SplitAddress("[::1]:0")->host == "::1");
}

TEST_CASE("an address that is none is refused with what it should be", "[http]") {
  for (const char* address : {"", "localhost", ":80", "a:", "a:b", "a:65536", "a:-1", "::1:80"}) {
    INFO(address);
    const auto parts = SplitAddress(address);
    REQUIRE(parts.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(MessageOf(parts.status()).find("should") != std::string::npos);
  }
}

TEST_CASE("an error is JSON with the status that fits its code", "[http]") {
  const Response response = ErrorResponse(InvalidArgument("field \"a\"\n"));
  CHECK(response.status == 400);
  CHECK(response.body == R"({"error":"field \"a\"\n"})");
  CHECK(ErrorResponse(Unavailable("x")).status == 503);
  CHECK(ErrorResponse(NotFound("x")).status == 404);
  CHECK(ErrorResponse(DataLoss("x")).status == 500);
}

TEST_CASE("an error that quotes bytes which are no text is still valid JSON", "[http]") {
  CHECK(ErrorResponse(400, "path \xff\xc3").body == R"({"error":"path ??"})");
  CHECK(ErrorResponse(400, "path \xc3\xa9").body == "{\"error\":\"path \xc3\xa9\"}");
  CHECK(ErrorResponse(400, std::string("a\0b", 3)).body == R"({"error":"a\u0000b"})");
}

}  // namespace freshet::http
