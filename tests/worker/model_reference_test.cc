#include <google/protobuf/util/json_util.h>

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

JobConfig RatingsJob(const std::string& path, const ModelSettings& settings) {
  JobConfig job = test::MakeJob(path, settings, Consistency::kBsp);
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

// What model_reference.py prints for the same stream and model.
std::vector<double> ReferenceLosses(const std::string& folder, const proto::ModelSpec& model) {
  google::protobuf::util::JsonPrintOptions format;
  format.always_print_primitive_fields = true;
  format.preserve_proto_field_names = true;
  std::string spec;
  REQUIRE(google::protobuf::util::MessageToJsonString(model, &spec, format).ok());
  const std::string spec_path = folder + "/_model.json";  // no partition of the stream
  std::ofstream(spec_path) << spec;
  const std::string command = fmt::format("{} {}/tests/worker/model_reference.py {} {} {}",
                                          FRESHET_PYTHON3,
                                          FRESHET_SOURCE_DIR,
                                          folder + "/ratings.csv",
                                          kBatch,
                                          spec_path);
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

// A kind of model with its settings. Normalization multiplies rounding errors by the inverse of the
// deviation, which over a batch of one user is small.
struct Case {
  std::string kind;
  proto::Mlp::Normalization normalization = proto::Mlp::NONE;
  uint32_t cross_rank = 0;
  double tolerance = 1e-6;  // of float32 against float64, over 80 batches
};

ModelSettings SettingsOf(const Case& of) {
  ModelSettings settings = test::SmallSettings(of.kind);
  settings.mlp.add_hidden(12);
  settings.mlp.add_hidden(6);
  settings.mlp.set_normalization(of.normalization);
  settings.cross_layers = 2;
  settings.cross_rank = of.cross_rank;
  return settings;
}

TEST_CASE("the loss of every batch is that of an independent program in numpy", "[worker]") {
  const uint32_t servers = GENERATE(1U, 3U);
  const Case of =
      GENERATE(Case{.kind = "lr"},
               Case{.kind = "fm"},
               Case{.kind = "wide_deep"},
               Case{.kind = "wide_deep", .normalization = proto::Mlp::LAYER, .tolerance = 1e-4},
               Case{.kind = "deepfm"},
               Case{.kind = "deepfm", .normalization = proto::Mlp::BATCH, .tolerance = 2e-3},
               Case{.kind = "dcn"},
               Case{.kind = "dcn", .cross_rank = 3});
  CAPTURE(of.kind, of.normalization, of.cross_rank, servers);
  const StreamDirectory directory;
  directory.Append("ratings.csv", SomeRatings());
  test::Watched<std::vector<double>> losses;
  WorkerOptions options;
  options.on_step = [&losses](const StepReport& step) {
    losses.Update([&step](std::vector<double>& all) { all.push_back(step.mean_log_loss); });
  };
  Cluster cluster(RatingsJob(directory.path(), SettingsOf(of)), servers, 1, options);
  cluster.Begin(1);
  cluster.AwaitFinished();
  const std::vector<double> got = losses.Get();
  const std::vector<double> expected = ReferenceLosses(directory.path(), cluster.job().model);
  REQUIRE(expected.size() == kRatings / kBatch);
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i, got[i], expected[i]);
    CHECK(std::abs(got[i] - expected[i]) < of.tolerance);
  }
  // It moved, so that equal curves say something.
  const auto [least, most] = std::minmax_element(expected.begin(), expected.end());
  CHECK(*most - *least > 0.1);
}

}  // namespace
}  // namespace freshet::worker
