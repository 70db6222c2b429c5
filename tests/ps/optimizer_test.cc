#include "ps/optimizer/optimizer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "ps/embedding_table.h"
#include "tests/ps/models.h"
#include "tests/ps/optimizer_cases.h"

namespace freshet::ps {
namespace {

using Catch::Matchers::WithinAbs;
using test::AdagradOf;
using test::AdamOf;
using test::FtrlOf;
using test::LedgerOf;
using test::SgdOf;

// The formulas of docs/optimizers.md for one number, in double, written down once more.
class Reference {
 public:
  virtual ~Reference() = default;
  virtual double Step(double w, double g) = 0;
};

class SgdReference final : public Reference {
 public:
  explicit SgdReference(const proto::Sgd& options) : options_(options) {}

  double Step(double w, double g) override { return w - options_.learning_rate() * g; }

 private:
  const proto::Sgd options_;
};

class AdagradReference final : public Reference {
 public:
  explicit AdagradReference(const proto::Adagrad& options)
      : options_(options), sum_(options.initial_accumulator()) {}

  double Step(double w, double g) override {
    sum_ += g * g;
    return w - options_.learning_rate() * g / (std::sqrt(sum_) + options_.epsilon());
  }

 private:
  const proto::Adagrad options_;
  double sum_;
};

// McMahan's form: the regularisation strength grows by sigma, z gathers g - sigma w.
class FtrlReference final : public Reference {
 public:
  FtrlReference(const proto::Ftrl& options, double initial) : options_(options) {
    const double sign = initial > 0 ? 1 : initial < 0 ? -1 : 0;
    z_ = -initial * (options.beta() / options.learning_rate() + options.l2()) - sign * options.l1();
  }

  double Step(double w, double g) override {
    const double sigma = (std::sqrt(n_ + g * g) - std::sqrt(n_)) / options_.learning_rate();
    z_ += g - sigma * w;
    n_ += g * g;
    if (std::abs(z_) <= options_.l1()) {
      return 0;
    }
    const double shrunk = z_ > 0 ? z_ - options_.l1() : z_ + options_.l1();
    return -shrunk / ((options_.beta() + std::sqrt(n_)) / options_.learning_rate() + options_.l2());
  }

 private:
  const proto::Ftrl options_;
  double z_;
  double n_ = 0;
};

class AdamReference final : public Reference {
 public:
  explicit AdamReference(const proto::Adam& options) : options_(options) {}

  double Step(double w, double g) override {
    ++t_;
    m_ = options_.beta1() * m_ + (1 - options_.beta1()) * g;
    v_ = options_.beta2() * v_ + (1 - options_.beta2()) * g * g;
    const double rate = options_.learning_rate() * std::sqrt(1 - std::pow(options_.beta2(), t_)) /
                        (1 - std::pow(options_.beta1(), t_));
    return w - rate * m_ / (std::sqrt(v_) + options_.epsilon());
  }

 private:
  const proto::Adam options_;
  double m_ = 0;
  double v_ = 0;
  int t_ = 0;
};

std::unique_ptr<Reference> MakeReference(const proto::Optimizer& options, double initial) {
  switch (options.kind_case()) {
    case proto::Optimizer::kSgd:
      return std::make_unique<SgdReference>(options.sgd());
    case proto::Optimizer::kAdagrad:
      return std::make_unique<AdagradReference>(options.adagrad());
    case proto::Optimizer::kFtrl:
      return std::make_unique<FtrlReference>(options.ftrl(), initial);
    default:
      return std::make_unique<AdamReference>(options.adam());
  }
}

struct Element {
  double value = 0;
  std::unique_ptr<Reference> reference;
};

// Trains a table and the reference on the same random gradients; new rows keep appearing.
double LargestError(const proto::Optimizer& options) {
  constexpr uint32_t kDim = 5;
  constexpr int kSteps = 400;
  EmbeddingTable table(test::EmbeddingOf("v", kDim, options));
  std::map<Key, std::vector<Element>> model;
  std::mt19937_64 random(7);
  std::normal_distribution<float> gradient_of(0.3F, 1.0F);
  double error = 0;
  for (int step = 1; step <= kSteps; ++step) {
    std::vector<Key> keys;
    for (Key key = 0; key < Key{20} + static_cast<Key>(step); ++key) {
      if (random() % 3 == 0) {
        keys.push_back(key);
      }
    }
    std::vector<float> values(keys.size() * kDim);
    REQUIRE(table.Pull(keys, {}, values).ok());
    std::vector<float> gradients(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      gradients[i] = gradient_of(random);
      std::vector<Element>& row = model[keys[i / kDim]];
      if (row.size() < kDim) {
        row.push_back({values[i], MakeReference(options, values[i])});
      }
      Element& element = row[i % kDim];
      error = std::max(error, std::abs(element.value - values[i]));
      element.value = element.reference->Step(element.value, gradients[i]);
    }
    REQUIRE(table.Push(keys, {}, gradients, {.step = static_cast<uint64_t>(step)}).ok());
  }
  return error;
}

TEST_CASE("sgd follows its formula", "[ps]") {
  CHECK_THAT(LargestError(SgdOf(0.05F)), WithinAbs(0, 1e-5));
}

TEST_CASE("adagrad follows its formula", "[ps]") {
  CHECK_THAT(LargestError(AdagradOf(0.1F)), WithinAbs(0, 1e-5));
}

TEST_CASE("ftrl follows its formula", "[ps]") {
  CHECK_THAT(LargestError(FtrlOf(0.1F, 0.0F, 0.0F)), WithinAbs(0, 1e-5));
  CHECK_THAT(LargestError(FtrlOf(0.1F, 1.0F, 0.5F)), WithinAbs(0, 1e-5));
}

TEST_CASE("adam follows its formula, each row counting its own steps", "[ps]") {
  CHECK_THAT(LargestError(AdamOf(0.01F)), WithinAbs(0, 1e-4));
}

TEST_CASE("a zero gradient leaves a new row of ftrl at its initial value", "[ps]") {
  EmbeddingTable table(test::EmbeddingOf("v", 8, FtrlOf(0.1F, 0.5F, 0.1F)));
  const std::vector<Key> keys = {42};
  std::vector<float> before(8);
  std::vector<float> after(8);
  REQUIRE(table.Pull(keys, {}, before).ok());
  REQUIRE(table.Push(keys, {}, std::vector<float>(8, 0.0F), {}).ok());
  REQUIRE(table.Pull(keys, {}, after).ok());
  for (size_t i = 0; i < before.size(); ++i) {
    CHECK(before[i] != 0);
    CHECK_THAT(after[i], Catch::Matchers::WithinRel(before[i], 1e-5F));
  }
}

TEST_CASE("ftrl sets a weight to zero that a large l1 outweighs", "[ps]") {
  const auto optimizer = MakeOptimizer(FtrlOf(0.1F, 5.0F, 0.0F), 1);
  std::vector<float> row(1 + optimizer->state_dim());
  optimizer->InitState(row.data(), row.data() + 1);
  const float gradient = 0.5F;
  const RowUpdate update{.value = row.data(), .state = row.data() + 1, .gradient = &gradient};
  for (int i = 0; i < 10; ++i) {
    optimizer->Apply({&update, 1}, 1);
    CHECK(row[0] == 0.0F);  // |z| = 0.5 i <= 5
  }
  optimizer->Apply({&update, 1}, 1);
  CHECK(row[0] < 0.0F);
}

TEST_CASE("a zero gradient leaves a new row of group_lasso_ftrl at its initial value", "[ps]") {
  const auto optimizer = MakeOptimizer(
      test::OptimizerOf("group_lasso_ftrl {learning_rate: 0.1 beta: 1 l1: 0.5 l2: 0.1 l21: 2}"), 3);
  const std::vector<float> before = {0.5F, -0.01F, 0.0F};
  std::vector<float> row = before;
  row.resize(3 + optimizer->state_dim());
  optimizer->InitState(row.data(), row.data() + 3);
  const std::vector<float> gradient(3);
  const RowUpdate update{.value = row.data(), .state = row.data() + 3, .gradient = gradient.data()};
  optimizer->Apply({&update, 1}, 1);
  CHECK_THAT(row[0], Catch::Matchers::WithinRel(before[0], 1e-5F));
  CHECK_THAT(row[1], Catch::Matchers::WithinRel(before[1], 1e-4F));
  CHECK(row[2] == 0.0F);
}

TEST_CASE("group_lasso_ftrl sets a row to zero as a whole, until it says enough", "[ps]") {
  const auto optimizer =
      MakeOptimizer(test::OptimizerOf("group_lasso_ftrl {learning_rate: 0.1 beta: 1 l21: 2}"), 4);
  std::vector<float> row(4 + optimizer->state_dim());
  optimizer->InitState(row.data(), row.data() + 4);
  const std::vector<float> gradient = {1.0F, -1.0F, 0.5F, 0.0F};  // of norm 1.5
  const RowUpdate update{.value = row.data(), .state = row.data() + 4, .gradient = gradient.data()};
  for (int i = 0; i < 2; ++i) {
    optimizer->Apply({&update, 1}, 1);
    CHECK(std::all_of(row.begin(), row.begin() + 4, [](float w) { return w == 0.0F; }));
  }
  optimizer->Apply({&update, 1}, 1);  // 3 * 1.5 > 2 * sqrt(4)
  CHECK(row[0] < 0.0F);
  CHECK(row[1] > 0.0F);
  CHECK(row[2] < 0.0F);
  CHECK(row[3] == 0.0F);
}

TEST_CASE("a ledger adds integers of 64 bits, whatever float their bits are", "[ps]") {
  const auto optimizer = MakeOptimizer(LedgerOf(), 4);
  std::vector<float> row(4);
  std::vector<float> gradient(4);
  uint64_t count = 0;
  uint64_t sum = 0;
  std::mt19937_64 random(3);
  for (int i = 0; i < 1000; ++i) {
    // Signalling NaNs among them: 0x7f8xxxxx in either half.
    const uint64_t id = i % 2 == 0 ? random() : 0x7f80000100000000U + random() % 1000;
    const uint64_t added[2] = {1, id};
    std::memcpy(gradient.data(), added, sizeof(added));
    const RowUpdate update{.value = row.data(), .state = nullptr, .gradient = gradient.data()};
    optimizer->Apply({&update, 1}, 1);
    count += 1;
    sum += id;
  }
  uint64_t held[2];
  std::memcpy(held, row.data(), sizeof(held));
  CHECK(held[0] == count);
  CHECK(held[1] == sum);
}

}  // namespace
}  // namespace freshet::ps
