#include "common/config/nearest.h"

#include <catch2/catch.hpp>

using freshet::Nearest;
using freshet::Suggestion;

TEST_CASE("a misspelt word finds the one that was meant", "[config]") {
  const std::vector<std::string> keys = {"optimizer", "factors", "kind", "seed"};
  CHECK(Nearest("optimiser", keys) == "optimizer");
  CHECK(Nearest("factor", keys) == "factors");
  CHECK(Nearest("knid", keys) == "kind");  // two neighbours swapped count once
  CHECK(Nearest("Seed", keys) == "seed");
}

TEST_CASE("a word that is like none finds none", "[config]") {
  const std::vector<std::string> keys = {"optimizer", "kind"};
  CHECK_FALSE(Nearest("batch_size", keys).has_value());
  CHECK_FALSE(Nearest("", keys).has_value());
  CHECK_FALSE(Nearest("x", {"y"}).has_value());
  CHECK_FALSE(Nearest(std::string(100'000, 'k'), keys).has_value());
  CHECK_FALSE(Nearest("kind", {}).has_value());
}

TEST_CASE("of two equally near words the first is taken", "[config]") {
  CHECK(Nearest("post", {"port", "host"}) == "port");
  CHECK(Nearest("post", {"host", "port"}) == "host");
}

TEST_CASE("a suggestion names the near word, or else all of them", "[config]") {
  CHECK(Suggestion("prot", {"port", "name"}) == "did you mean 'port'?");
  CHECK(Suggestion("zebra", {"port", "name"}) == "known: port, name");
  CHECK(Suggestion("zebra", {}) == "none is known here");
}
