#include "coordinator/model_check.h"

#include <catch2/catch.hpp>

#include "tests/coordinator/fake_cluster.h"

namespace freshet::coordinator {
namespace {

TEST_CASE("a log of another model is refused at the start, with what differs and what to do",
          "[coordinator]") {
  FakeCluster cluster(1, 1);
  cluster.StartAll();
  cluster.Train(1);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.StopCoordinator();

  cluster.options.model.mutable_embedding_variables(0)->set_dim(8);
  const auto refused = Coordinator::Start(cluster.env, cluster.options, FakeCluster::kAddress);
  REQUIRE(absl::IsInvalidArgument(refused.status()));
  const std::string message = MessageOf(refused.status());
  CHECK(message.find("embedding_variables[0].dim: 4 -> 8") != std::string::npos);
  CHECK(message.find("another log_dir") != std::string::npos);
  CHECK(message.find(cluster.options.log_dir) != std::string::npos);

  cluster.options.model = LedgerModel();
  CHECK(Coordinator::Start(cluster.env, cluster.options, FakeCluster::kAddress).ok());
}

TEST_CASE("equal models differ in nothing", "[coordinator]") {
  CHECK(ModelDifferences(LedgerModel(), LedgerModel()).empty());
  proto::ModelSpec other = LedgerModel();
  other.set_kind("fm");
  other.set_factors(4);
  CHECK(ModelDifferences(LedgerModel(), other) ==
        "modified: kind: \"ledger\" -> \"fm\"; added: factors: 4");
}

}  // namespace
}  // namespace freshet::coordinator
