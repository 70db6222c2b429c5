#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace freshet::serving {

// What stands behind the '?' of a path: name=value&name=value, decoded. A name may be there several
// times. Immutable after construction.
class Query {
 public:
  // InvalidArgument: a '%' without two hexadecimal digits.
  static StatusOr<Query> Parse(std::string_view text);

  // InvalidArgument for a name that is none of these, with the nearest of them.
  Status OnlyKnown(std::initializer_list<const char*> names) const;

  // All values of the name, in order.
  std::vector<std::string> All(std::string_view name) const;
  // The last value of the name, or `otherwise`.
  std::string Get(std::string_view name, const std::string& otherwise) const;

 private:
  struct Parameter {
    std::string name;
    std::string value;
  };

  std::vector<Parameter> parameters_;
};

}  // namespace freshet::serving
