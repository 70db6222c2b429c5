#include <catch2/catch.hpp>

#include "common/model/model.h"

namespace freshet {
namespace {

ModelSettings SettingsOf(const std::string& kind) {
  ModelSettings settings;
  settings.kind = kind;
  settings.factors = 4;
  settings.seed = 17;
  settings.optimizer.mutable_adagrad()->set_learning_rate(0.05F);
  settings.dense_optimizer.mutable_sgd()->set_learning_rate(0.1F);
  return settings;
}

std::vector<proto::Slot> SlotsOf(std::vector<std::string> names) {
  std::vector<proto::Slot> slots;
  for (const std::string& name : names) {
    slots.emplace_back().set_name(name);
  }
  return slots;
}

void CheckRefused(const Status& status, const std::string& part) {
  CHECK(absl::IsInvalidArgument(status));
  CHECK_THAT(MessageOf(status), Catch::Contains(part));
}

TEST_CASE("fm declares a linear weight of zero and normal factors, and a bias", "[model]") {
  const StatusOr<proto::ModelSpec> spec = DeclareModel(SettingsOf("fm"), SlotsOf({"user", "item"}));
  REQUIRE(spec.ok());
  CHECK(spec->factors() == 4);
  CHECK(spec->slots_size() == 2);
  REQUIRE(spec->embedding_variables_size() == 1);
  const proto::EmbeddingVariable& factors = spec->embedding_variables(0);
  CHECK(factors.name() == "factors");
  CHECK(factors.dim() == 5);
  CHECK(factors.seed() == 17);
  CHECK(factors.optimizer().has_adagrad());
  REQUIRE(factors.initializers_size() == 2);
  CHECK(factors.initializers(0).kind() == proto::Initializer::ZEROS);
  CHECK(factors.initializers(0).columns() == 1);
  CHECK(factors.initializers(1).kind() == proto::Initializer::NORMAL);
  CHECK(factors.initializers(1).scale() == 0.05F);
  CHECK(factors.initializers(1).columns() == 0);
  REQUIRE(spec->dense_variables_size() == 1);
  CHECK(spec->dense_variables(0).name() == "bias");
  CHECK(spec->dense_variables(0).shape(0) == 1);
  CHECK(spec->dense_variables(0).optimizer().has_sgd());
  CHECK(MakeModel(*spec).ok());
}

TEST_CASE("lr declares one weight a key, ledger four floats and no bias", "[model]") {
  const StatusOr<proto::ModelSpec> lr = DeclareModel(SettingsOf("lr"), SlotsOf({"a"}));
  REQUIRE(lr.ok());
  CHECK(lr->embedding_variables(0).name() == "weights");
  CHECK(lr->embedding_variables(0).dim() == 1);
  CHECK(lr->dense_variables_size() == 1);
  CHECK(MakeModel(*lr).ok());
  ModelSettings settings;
  settings.kind = "ledger";
  const StatusOr<proto::ModelSpec> ledger = DeclareModel(settings, SlotsOf({"a"}));
  REQUIRE(ledger.ok());
  CHECK(ledger->embedding_variables(0).name() == "ledger");
  CHECK(ledger->embedding_variables(0).dim() == 4);
  CHECK(ledger->embedding_variables(0).optimizer().has_ledger());
  CHECK(ledger->dense_variables_size() == 0);
  CHECK(MakeModel(*ledger).ok());
}

TEST_CASE("an unknown kind is refused, and the nearest one named", "[model]") {
  CheckRefused(DeclareModel(SettingsOf("ledgr"), SlotsOf({"a"})).status(), "mean 'ledger'");
  CheckRefused(DeclareModel(SettingsOf("ffm"), SlotsOf({"a"})).status(), "mean 'fm'");
  proto::ModelSpec spec;
  spec.set_kind("lrr");
  CheckRefused(MakeModel(spec).status(), "mean 'lr'");
}

TEST_CASE("settings that make no model are refused by name", "[model]") {
  ModelSettings settings = SettingsOf("fm");
  CheckRefused(DeclareModel(settings, {}).status(), "slots");
  CheckRefused(DeclareModel(settings, SlotsOf({"a", "a"})).status(), "\"a\" is there twice");
  CheckRefused(DeclareModel(settings, SlotsOf({"a", ""})).status(), "slot 1 has no name");
  settings.factors = 0;
  CheckRefused(DeclareModel(settings, SlotsOf({"a"})).status(), "factors is 0");
  settings = SettingsOf("fm");
  settings.init_stddev = -1.0F;
  CheckRefused(DeclareModel(settings, SlotsOf({"a"})).status(), "init_stddev is -1");
  settings = SettingsOf("lr");
  settings.dense_optimizer.Clear();
  CheckRefused(DeclareModel(settings, SlotsOf({"a"})).status(), "dense_optimizer is not set");
  settings.dense_optimizer.mutable_ledger();
  CheckRefused(DeclareModel(settings, SlotsOf({"a"})).status(), "dense_optimizer is ledger");
}

TEST_CASE("a spec whose variables do not fit its kind makes no model", "[model]") {
  StatusOr<proto::ModelSpec> spec = DeclareModel(SettingsOf("fm"), SlotsOf({"a"}));
  REQUIRE(spec.ok());
  spec->set_factors(8);
  CheckRefused(MakeModel(*spec).status(), "dim 9");
  spec->set_factors(4);
  spec->clear_dense_variables();
  CheckRefused(MakeModel(*spec).status(), "0 dense variables");
}

}  // namespace
}  // namespace freshet
