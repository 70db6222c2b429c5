#include "common/model/find_variable.h"

#include <catch2/catch.hpp>

namespace freshet {
namespace {

TEST_CASE("a variable is found by its name, and who errs is told which there are", "[model]") {
  proto::ModelSpec model;
  CHECK(MessageOf(FindEmbeddingVariable(model, "x").status()) ==
        "the model has no embedding variable 'x'; it has: none");
  model.add_embedding_variables()->set_name("weights");
  model.add_embedding_variables()->set_name("factors");
  CHECK(FindEmbeddingVariable(model, "factors").value() == 1);
  const Status mistyped = FindEmbeddingVariable(model, "factor").status();
  CHECK(absl::IsInvalidArgument(mistyped));
  CHECK(MessageOf(mistyped) ==
        "the model has no embedding variable 'factor' (did you mean 'factors'?); it has: weights, "
        "factors");
}

}  // namespace
}  // namespace freshet
