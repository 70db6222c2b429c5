// Every optimizer against an independent program, tests/ps/optimizer_reference.py.
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "ps/optimizer/optimizer.h"
#include "tests/ps/optimizer_cases.h"

namespace freshet::ps {
namespace {

constexpr uint32_t kSteps = 200;
constexpr uint32_t kRows = 4 + kSteps / 8;

template <typename T>
void Append(std::string* bytes, const std::vector<T>& values) {
  bytes->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

void Append(std::string* bytes, uint32_t value) {
  Append(bytes, std::vector<uint32_t>{value});
}

// The rows of one variable, and what happens to them.
class Case {
 public:
  Case(const std::string& text, uint32_t dim)
      : text_(text),
        dim_(dim),
        options_(test::OptimizerOf(text)),
        optimizer_(MakeOptimizer(options_, dim)),
        random_(dim) {}

  // Trains, and writes down what happened for the reference.
  void Run(std::string* input) {
    std::string json;
    google::protobuf::util::JsonPrintOptions print;
    print.preserve_proto_field_names = true;
    REQUIRE(google::protobuf::util::MessageToJsonString(options_, &json, print).ok());
    Append(input, static_cast<uint32_t>(json.size()));
    input->append(json);
    Append(input, std::vector<uint32_t>{dim_, kRows, kSteps});
    MakeRows(input);
    for (uint32_t step = 1; step <= kSteps; ++step) {
      RunStep(step, input);
    }
  }

  const std::string& text() const { return text_; }

  // After each step: of each row that it changed, value and state.
  const std::vector<float>& results() const { return results_; }

  // How many results are one row.
  size_t row_floats() const { return dim_ + optimizer_->state_dim(); }

 private:
  void MakeRows(std::string* input) {
    std::normal_distribution<float> value_of(0.0F, 0.1F);
    for (uint32_t row = 0; row < kRows; ++row) {
      std::vector<float> floats(row_floats());
      for (uint32_t column = 0; column < dim_ && row % 4 != 0; ++column) {
        floats[column] = value_of(random_);
      }
      Append(input, std::vector<float>(floats.begin(), floats.begin() + dim_));
      optimizer_->InitState(floats.data(), floats.data() + dim_);
      rows_.push_back(std::move(floats));
    }
  }

  // A third of the rows that are there by now; another one appears every 8 steps.
  void RunStep(uint32_t step, std::string* input) {
    std::normal_distribution<float> gradient_of(0.2F, 1.0F);
    std::vector<uint32_t> ids;
    for (uint32_t row = 0; row < 4 + step / 8; ++row) {
      if (random_() % 3 == 0) {
        ids.push_back(row);
      }
    }
    std::vector<float> gradients(ids.size() * dim_);
    for (float& gradient : gradients) {
      gradient = random_() % 8 == 0 ? 0.0F : gradient_of(random_);
    }
    Append(input, std::vector<uint32_t>{step, static_cast<uint32_t>(ids.size())});
    Append(input, ids);
    Append(input, gradients);
    std::vector<RowUpdate> updates;
    for (size_t i = 0; i < ids.size(); ++i) {
      float* const row = rows_[ids[i]].data();
      updates.push_back({.value = row, .state = row + dim_, .gradient = &gradients[i * dim_]});
    }
    optimizer_->Apply(updates, step);
    for (const uint32_t id : ids) {
      results_.insert(results_.end(), rows_[id].begin(), rows_[id].end());
    }
  }

  const std::string text_;
  const uint32_t dim_;
  const proto::Optimizer options_;
  const std::unique_ptr<Optimizer> optimizer_;
  std::mt19937_64 random_;
  std::vector<std::vector<float>> rows_;
  std::vector<float> results_;
};

std::vector<float> RunReference(const std::string& input) {
  const std::string folder =
      (std::filesystem::temp_directory_path() / "freshet-optimizer-XXXXXX").string();
  std::vector<char> name(folder.c_str(), folder.c_str() + folder.size() + 1);
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  const std::filesystem::path made(name.data());
  std::ofstream(made / "cases", std::ios::binary) << input;
  const std::string command = fmt::format("{} {}/tests/ps/optimizer_reference.py {} {}",
                                          FRESHET_PYTHON3,
                                          FRESHET_SOURCE_DIR,
                                          (made / "cases").string(),
                                          (made / "results").string());
  CHECK(std::system(command.c_str()) == 0);
  std::ostringstream bytes;
  bytes << std::ifstream(made / "results", std::ios::binary).rdbuf();
  const std::string text = bytes.str();
  std::vector<float> results(text.size() / sizeof(float));
  std::memcpy(results.data(), text.data(), results.size() * sizeof(float));
  std::filesystem::remove_all(made);
  return results;
}

TEST_CASE("every optimizer gives the bits that a program in numpy gives", "[ps]") {
  std::vector<std::unique_ptr<Case>> cases;
  std::string input;
  for (const std::string& text : test::EveryOptimizer()) {
    for (const uint32_t dim : {3U, 37U}) {  // less than a vector; many, and a rest
      cases.push_back(std::make_unique<Case>(text, dim));
      cases.back()->Run(&input);
    }
  }
  const std::vector<float> expected = RunReference(input);
  size_t at = 0;
  for (const auto& one : cases) {
    const std::vector<float>& results = one->results();
    REQUIRE(at + results.size() <= expected.size());
    // The first that differs says all; 0 and -0 are the same number.
    const auto differs = std::mismatch(results.begin(), results.end(), &expected[at]).first;
    const auto index = static_cast<size_t>(differs - results.begin());
    INFO(one->text() << ": row update " << index / one->row_floats() << ", float "
                     << index % one->row_floats() << ": "
                     << (differs == results.end() ? 0 : *differs) << " and "
                     << (differs == results.end() ? 0 : expected[at + index]));
    CHECK(differs == results.end());
    at += results.size();
  }
  CHECK(at == expected.size());
}

}  // namespace
}  // namespace freshet::ps
