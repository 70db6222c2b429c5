#include "ps/model_check.h"

#include <catch2/catch.hpp>

#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using Catch::Matchers::Contains;

std::string Refusal(const proto::ModelSpec& model) {
  const Status status = CheckModel(model);
  CHECK(absl::IsInvalidArgument(status));
  return MessageOf(status);
}

TEST_CASE("a model that a server can hold is accepted", "[ps]") {
  CHECK(CheckModel(test::SmallModel()).ok());
  CHECK(CheckModel(proto::ModelSpec()).ok());
}

TEST_CASE("a model that makes no sense is refused by the name of its variable", "[ps]") {
  proto::ModelSpec model = test::SmallModel();
  SECTION("dim") {
    model.mutable_embedding_variables(0)->set_dim(0);
    CHECK(Refusal(model) == "embedding variable weights: dim is 0, must be 1 to 65536");
  }
  SECTION("no optimizer") {
    model.mutable_embedding_variables(0)->clear_optimizer();
    CHECK_THAT(Refusal(model), Contains("weights: has no optimizer"));
  }
  SECTION("learning rate") {
    model.mutable_dense_variables(0)->mutable_optimizer()->mutable_sgd()->set_learning_rate(-1);
    CHECK(Refusal(model) == "dense variable bias: learning_rate is -1, must be above 0");
  }
  SECTION("adagrad that divides zero by zero") {
    auto* adagrad = model.mutable_embedding_variables(0)->mutable_optimizer()->mutable_adagrad();
    adagrad->set_epsilon(0);
    adagrad->set_initial_accumulator(0);
    CHECK_THAT(Refusal(model), Contains("initial_accumulator and epsilon are both 0"));
  }
  SECTION("adam's decay") {
    model.mutable_dense_variables(1)->mutable_optimizer()->mutable_adam()->set_beta2(1);
    CHECK(Refusal(model) == "dense variable layer: beta2 is 1, must be in [0, 1)");
  }
  SECTION("learning rate without a limit") {
    model.mutable_dense_variables(0)->mutable_optimizer()->mutable_sgd()->set_learning_rate(1e7F);
    CHECK_THAT(Refusal(model), Contains("learning_rate is 10000000, must be from 0 to 1000000"));
  }
  SECTION("adagrad whose accumulator decays to nothing") {
    auto* adagrad = model.mutable_embedding_variables(0)->mutable_optimizer()->mutable_adagrad();
    adagrad->set_epsilon(0);
    adagrad->set_accumulator_decay(0.5F);
    CHECK_THAT(Refusal(model), Contains("weights: epsilon is 0"));
  }
  SECTION("adamw that takes away more than there is") {
    auto* adamw = model.mutable_dense_variables(1)->mutable_optimizer()->mutable_adamw();
    adamw->set_learning_rate(1);
    adamw->set_epsilon(1e-8F);
    adamw->set_weight_decay(2);
    CHECK_THAT(Refusal(model), Contains("layer: learning_rate * weight_decay is 2"));
  }
  SECTION("bounds that leave nothing") {
    auto* optimizer = model.mutable_dense_variables(0)->mutable_optimizer();
    optimizer->set_weight_min(1);
    optimizer->set_weight_max(0);
    CHECK_THAT(Refusal(model), Contains("bias: weight_min is 1, must be from"));
  }
  SECTION("l1 beside that of ftrl") {
    *model.mutable_dense_variables(0)->mutable_optimizer() = test::FtrlOf(0.1F, 1, 1);
    model.mutable_dense_variables(0)->mutable_optimizer()->set_l1(1);
    CHECK_THAT(Refusal(model), Contains("bias: l1 and l2 of ftrl kinds are their own"));
  }
  SECTION("schedule without an end") {
    auto* optimizer = model.mutable_dense_variables(0)->mutable_optimizer();
    optimizer->mutable_schedule()->set_kind(proto::LearningRateSchedule::COSINE);
    CHECK(Refusal(model) ==
          "dense variable bias: decay_steps of the schedule is 0, must be above 0");
  }
  SECTION("ledger with settings") {
    model.mutable_embedding_variables(1)->mutable_optimizer()->set_clip_norm(1);
    CHECK_THAT(Refusal(model), Contains("ledger: a ledger has no settings"));
  }
  SECTION("ledger of another dim") {
    model.mutable_embedding_variables(1)->set_dim(5);
    CHECK(Refusal(model) == "embedding variable ledger: a ledger has dim 4, not 5");
  }
  SECTION("ledger that does not begin at zero") {
    *model.mutable_embedding_variables(1)->add_initializers() =
        test::InitializerOf(proto::Initializer::UNIFORM, 1);
    CHECK_THAT(Refusal(model), Contains("a ledger begins at zero"));
  }
  SECTION("ledger whose features live and die") {
    auto* const policy = model.mutable_embedding_variables(1)->mutable_policy();
    policy->mutable_rules()->mutable_eviction()->set_steps_to_live(5);
    policy->set_evict_every_steps(5);
    CHECK_THAT(Refusal(model), Contains("ledger: a ledger takes no rules of admission"));
  }
  SECTION("ledger of half its bits") {
    model.mutable_embedding_variables(1)->set_value_type(proto::BF16);
    CHECK_THAT(Refusal(model), Contains("ledger: value_type is BF16, a ledger has F32"));
  }
  SECTION("value type") {
    model.mutable_embedding_variables(0)->set_value_type(static_cast<proto::ValueType>(9));
    CHECK(Refusal(model) == "embedding variable weights: value_type 9 is unknown");
  }
  SECTION("feature policy") {
    auto* policy = model.mutable_embedding_variables(0)->mutable_policy();
    policy->mutable_rules()->mutable_admission()->set_admit_probability(2);
    CHECK(Refusal(model) ==
          "embedding variable weights: admission.admit_probability is 2, must be in [0, 1]");
  }
  SECTION("no room for a row") {
    auto* policy = model.mutable_embedding_variables(0)->mutable_policy();
    policy->mutable_capacity()->set_max_bytes(11);
    policy->set_evict_every_steps(1);
    CHECK(Refusal(model) ==
          "embedding variable weights: eviction.max_bytes is 11, the value of one row alone takes "
          "12");
  }
  SECTION("dense ledger") {
    *model.mutable_dense_variables(0)->mutable_optimizer() = test::LedgerOf();
    CHECK_THAT(Refusal(model), Contains("only an embedding variable can be a ledger"));
  }
  SECTION("two of one name") {
    model.mutable_dense_variables(0)->set_name("weights");
    CHECK_THAT(Refusal(model), Contains("dense variable weights: the name is empty or taken"));
  }
  SECTION("shape") {
    model.mutable_dense_variables(0)->add_shape(1U << 31U);
    CHECK_THAT(Refusal(model), Contains("dense variable bias: the shape"));
  }
  SECTION("initializers of too many columns") {
    *model.mutable_embedding_variables(0)->add_initializers() =
        test::InitializerOf(proto::Initializer::ZEROS, 0, 4);
    CHECK(Refusal(model) == "embedding variable weights: the initializers fill 4 columns of 3");
  }
}

TEST_CASE("another model is told apart, with what differs", "[ps]") {
  const proto::ModelSpec model = test::SmallModel();
  proto::ModelSpec other = model;
  CHECK(CheckSameModel(model, other).ok());
  other.mutable_embedding_variables(0)->mutable_optimizer()->mutable_adagrad()->set_learning_rate(
      0.5F);
  const Status status = CheckSameModel(model, other);
  CHECK(absl::IsFailedPrecondition(status));
  CHECK_THAT(MessageOf(status), Contains("learning_rate"));
  CHECK_THAT(MessageOf(status), Contains("0.5"));
}

}  // namespace
}  // namespace freshet::ps
