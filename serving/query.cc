#include "serving/query.h"

#include <algorithm>
#include <charconv>

#include "common/config/nearest.h"

namespace freshet::serving {
namespace {

StatusOr<std::string> Decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      decoded += ' ';
    } else if (text[i] == '%') {
      const std::string_view digits = text.substr(i + 1, 2);
      unsigned byte = 0;
      const char* const end = digits.data() + digits.size();
      const auto [stop, error] = std::from_chars(digits.data(), end, byte, 16);
      if (digits.size() != 2 || error != std::errc() || stop != end) {
        return InvalidArgument("query: after '%' should stand two hexadecimal digits, not '{}'",
                               digits);
      }
      decoded += static_cast<char>(byte);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

}  // namespace

StatusOr<Query> Query::Parse(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view parameter = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (parameter.empty()) {
      continue;
    }
    const size_t equals = std::min(parameter.find('='), parameter.size());
    FRESHET_ASSIGN_OR_RETURN(std::string name, Decode(parameter.substr(0, equals)));
    FRESHET_ASSIGN_OR_RETURN(std::string value,
                             Decode(parameter.substr(std::min(equals + 1, parameter.size()))));
    query.parameters_.push_back({.name = std::move(name), .value = std::move(value)});
  }
  return query;
}

Status Query::OnlyKnown(std::initializer_list<const char*> names) const {
  for (const Parameter& parameter : parameters_) {
    if (std::find(names.begin(), names.end(), parameter.name) == names.end()) {
      return InvalidArgument(
          "query: unknown parameter '{}'; {}",
          parameter.name,
          Suggestion(parameter.name, std::vector<std::string>(names.begin(), names.end())));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> Query::All(std::string_view name) const {
  std::vector<std::string> values;
  for (const Parameter& parameter : parameters_) {
    if (parameter.name == name) {
      values.push_back(parameter.value);
    }
  }
  return values;
}

std::string Query::Get(std::string_view name, const std::string& otherwise) const {
  const std::vector<std::string> values = All(name);
  return values.empty() ? otherwise : values.back();
}

}  // namespace freshet::serving
