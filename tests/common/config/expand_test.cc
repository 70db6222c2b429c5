#include "common/config/expand.h"

#include <catch2/catch.hpp>

using freshet::ExpandVariables;

namespace {

std::optional<std::string> Environment(const std::string& name) {
  if (name == "RUN") {
    return "/run/x";
  }
  if (name == "EMPTY") {
    return "";
  }
  if (name == "NESTED") {
    return "${RUN}";
  }
  return std::nullopt;
}

std::string Expand(std::string_view text) {
  const auto expanded = ExpandVariables(text, Environment);
  return expanded.ok() ? *expanded : "error: " + freshet::MessageOf(expanded.status());
}

}  // namespace

TEST_CASE("variables are put in wherever they stand", "[config]") {
  CHECK(Expand("") == "");
  CHECK(Expand("plain") == "plain");
  CHECK(Expand("${RUN}") == "/run/x");
  CHECK(Expand("a${RUN}b${RUN}c") == "a/run/xb/run/xc");
  CHECK(Expand("[${EMPTY}]") == "[]");
}

TEST_CASE("a default stands in for a variable that is unset or empty", "[config]") {
  CHECK(Expand("${NONE:-../run}/log") == "../run/log");
  CHECK(Expand("${EMPTY:-x}") == "x");
  CHECK(Expand("${RUN:-x}") == "/run/x");
  CHECK(Expand("${NONE:-}") == "");
}

TEST_CASE("what was put in is not expanded again", "[config]") {
  CHECK(Expand("${NESTED}") == "${RUN}");
}

TEST_CASE("a dollar sign that begins no variable is text", "[config]") {
  CHECK(Expand("$RUN costs 5$") == "$RUN costs 5$");
  CHECK(Expand("$${RUN}") == "${RUN}");
  CHECK(Expand("$${RUN}${RUN}") == "${RUN}/run/x");
}

TEST_CASE("an unset variable without a default is an error that names it", "[config]") {
  CHECK(Expand("x${NONE}") ==
        "error: the environment variable NONE is not set; set it, or give a default as "
        "${NONE:-default}");
}

TEST_CASE("what names no variable is an error", "[config]") {
  CHECK(Expand("${}") ==
        "error: '${}' names no environment variable; write ${NAME} or ${NAME:-default}");
  CHECK(Expand("${1A}").starts_with("error: '${1A}' names no"));
  CHECK(Expand("${A B}").starts_with("error: '${A B}' names no"));
  CHECK(Expand("a${RUN") == "error: '${RUN' has no closing brace");
}
