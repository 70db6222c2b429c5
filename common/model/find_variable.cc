#include "common/model/find_variable.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "common/config/nearest.h"

namespace freshet {

StatusOr<uint32_t> FindEmbeddingVariable(const proto::ModelSpec& model, std::string_view name) {
  std::vector<std::string> names;
  for (const proto::EmbeddingVariable& variable : model.embedding_variables()) {
    if (variable.name() == name) {
      return static_cast<uint32_t>(names.size());
    }
    names.push_back(variable.name());
  }
  const std::optional<std::string> nearest = Nearest(name, names);
  return InvalidArgument("the model has no embedding variable '{}'{}; it has: {}",
                         name,
                         nearest ? fmt::format(" (did you mean '{}'?)", *nearest) : "",
                         names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

}  // namespace freshet
