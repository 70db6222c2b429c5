#include "common/utf8.h"

#include <catch2/catch.hpp>

namespace freshet {
namespace {

TEST_CASE("characters of each length are UTF-8, what only looks like them is not", "[utf8]") {
  CHECK(IsUtf8(""));
  CHECK(IsUtf8(std::string_view("a\0b", 3)));
  CHECK(IsUtf8("\xc3\xbc\xe2\x82\xac\xf0\x9f\x8c\x8a"));
  CHECK(Utf8Length("\xf0\x9f\x8c\x8a...") == 4);
  for (const char* const bytes : {"\xfc",
                                  "\x80",
                                  "\xc3",
                                  "\xe2\x82",
                                  "\xf0\x9f\x8c",
                                  "\xc0\xaf",
                                  "\xe0\x80\xaf",
                                  "\xed\xa0\x80",
                                  "\xf0\x80\x80\xaf",
                                  "\xf4\x90\x80\x80",
                                  "\xff"}) {
    CHECK_FALSE(IsUtf8(bytes));
    CHECK_FALSE(IsUtf8(std::string("a") + bytes));
    CHECK(Utf8Length(bytes) == 0);
  }
}

TEST_CASE("bytes that are no UTF-8 are shown as such", "[utf8]") {
  CHECK(ToUtf8("a\xfc\xc3\xbc\xe2\x82") == "a\xef\xbf\xbd\xc3\xbc\xef\xbf\xbd\xef\xbf\xbd");
  CHECK(ToUtf8("").empty());
}

}  // namespace
}  // namespace freshet
