#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/worker/cluster.h"

namespace freshet::worker {
namespace {

using test::Cluster;
using test::StreamDirectory;

constexpr int kRatings = 8000;
constexpr uint32_t kBatch = 100;

// The first ratings of MovieLens, with the header.
std::string SomeRatings() {
  std::ifstream file(FRESHET_SOURCE_DIR "/data/movielens-latest-small/ratings.csv");
  std::string text;
  std::string line;
  for (int i = 0; i < 1 + kRatings && std::getline(file, line); ++i) {
    text += line + "\n";
  }
  return text;
}

JobConfig RatingsJob(const std::string& path) {
  JobConfig job = test::MakeJob(path, "fm", Consistency::kBsp);
  job.stream.header = true;
  job.format.columns = {"userId", "movieId", "rating", "timestamp"};
  job.format.label_column = "rating";
  job.format.positive_at_least = 4.0;
  job.model.mutable_slots(0)->set_column("userId");
  job.model.mutable_slots(1)->set_name("movie");
  job.model.mutable_slots(1)->set_column("movieId");
  job.training.batch_size = kBatch;
  return job;
}

// What fm_reference.py prints for the same stream and model.
std::vector<double> ReferenceLosses(const std::string& file, const proto::ModelSpec& model) {
  const proto::EmbeddingVariable& variable = model.embedding_variables(0);
  const proto::Adagrad& adagrad = variable.optimizer().adagrad();
  const std::string command =
      fmt::format("{} {}/tests/worker/fm_reference.py {} {} {} {} {} {} {} {}",
                  FRESHET_PYTHON3,
                  FRESHET_SOURCE_DIR,
                  file,
                  kBatch,
                  model.factors(),
                  variable.seed(),
                  variable.initializers(1).scale(),
                  adagrad.learning_rate(),
                  adagrad.initial_accumulator(),
                  adagrad.epsilon());
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::vector<double> losses;
  double loss = 0.0;
  while (std::fscanf(pipe, "%lf", &loss) == 1) {
    losses.push_back(loss);
  }
  CHECK(::pclose(pipe) == 0);
  return losses;
}

TEST_CASE("the loss of every batch is that of an independent program in numpy", "[worker]") {
  const uint32_t servers = GENERATE(1U, 3U);
  const StreamDirectory directory;
  directory.Append("ratings.csv", SomeRatings());
  test::Watched<std::vector<double>> losses;
  WorkerOptions options;
  options.on_step = [&losses](const StepReport& step) {
    losses.Update([&step](std::vector<double>& all) { all.push_back(step.mean_log_loss); });
  };
  Cluster cluster(RatingsJob(directory.path()), servers, 1, options);
  cluster.Begin(1);
  cluster.AwaitFinished();
  const std::vector<double> got = losses.Get();
  const std::vector<double> expected =
      ReferenceLosses(directory.path() + "/ratings.csv", cluster.job().model);
  REQUIRE(expected.size() == kRatings / kBatch);
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i, got[i], expected[i]);
    CHECK(std::abs(got[i] - expected[i]) < 1e-4);
  }
  // It moved, so that equal curves say something.
  const auto [least, most] = std::minmax_element(expected.begin(), expected.end());
  CHECK(*most - *least > 0.2);
}

}  // namespace
}  // namespace freshet::worker
