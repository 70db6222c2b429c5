#include "common/config/expand.h"

#include <algorithm>
#include <cstdlib>

namespace freshet {
namespace {

bool IsVariableName(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto is_letter_or_digit = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  return !name.empty() && is_letter(name[0]) &&
         std::all_of(name.begin(), name.end(), is_letter_or_digit);
}

// `reference` is what stands between the braces.
StatusOr<std::string> ValueOf(std::string_view reference, const Environment& environment) {
  const size_t dash = reference.find(":-");
  const std::string name(reference.substr(0, dash));
  if (!IsVariableName(name)) {
    return InvalidArgument(
        "'${{{}}}' names no environment variable; write ${{NAME}} or ${{NAME:-default}}",
        reference);
  }
  const auto value = environment(name);
  if (dash != std::string_view::npos) {
    return value.has_value() && !value->empty() ? *value : std::string(reference.substr(dash + 2));
  }
  if (!value.has_value()) {
    return InvalidArgument(
        "the environment variable {0} is not set; set it, or give a default as ${{{0}:-default}}",
        name);
  }
  return *value;
}

}  // namespace

std::optional<std::string> ProcessEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

StatusOr<std::string> ExpandVariables(std::string_view text, const Environment& environment) {
  std::string expanded;
  size_t at = 0;
  while (at < text.size()) {
    const size_t open = text.find("${", at);
    expanded += text.substr(at, open - at);
    if (open == std::string_view::npos) {
      break;
    }
    if (open > at && text[open - 1] == '$') {  // $${: the first $ is there already
      expanded += '{';
      at = open + 2;
      continue;
    }
    const size_t close = text.find('}', open);
    if (close == std::string_view::npos) {
      return InvalidArgument("'{}' has no closing brace", text.substr(open));
    }
    FRESHET_ASSIGN_OR_RETURN(const std::string value,
                             ValueOf(text.substr(open + 2, close - open - 2), environment));
    expanded += value;
    at = close + 1;
  }
  return expanded;
}

}  // namespace freshet
