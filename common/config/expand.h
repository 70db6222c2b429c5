#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"

namespace freshet {

// The value of an environment variable, or nothing if it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// The process's own.
std::optional<std::string> ProcessEnvironment(const std::string& name);

// Replaces ${NAME} by the variable's value, ${NAME:-text} by `text` if the variable is unset or
// empty, and $${ by ${. Any other $ stands for itself. What was put in is not expanded again.
// InvalidArgument: an unset variable without default, by name; a name that is none; a missing }.
StatusOr<std::string> ExpandVariables(std::string_view text, const Environment& environment);

}  // namespace freshet
