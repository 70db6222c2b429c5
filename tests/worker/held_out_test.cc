#include "worker/held_out.h"

#include <algorithm>

#include "common/sample/feature_mapper.h"
#include "tests/worker/fixture.h"

namespace freshet::worker {
namespace {

using test::StreamDirectory;

StatusOr<HeldOut> LoadFor(const JobConfig& job, uint32_t worker, uint32_t workers) {
  const auto parser = *MakeSampleParser(job.format, *FeatureMapper::Make(job.model));
  return HeldOut::Load(LocalFileSystem(), SystemClock(), job, *parser, {}, worker, workers);
}

JobConfig JobWith(const StreamDirectory& directory) {
  JobConfig job = test::MakeJob(directory.path(), "fm", Consistency::kAsp);
  job.evaluation.held_out_path = directory.path();
  job.evaluation.held_out_every = 3;
  return job;
}

// All that are due in the steps up to `steps`.
std::vector<uint64_t> IdsDue(const HeldOut& held_out, uint64_t steps) {
  std::vector<uint64_t> ids;
  for (uint64_t step = 1; step <= steps; ++step) {
    if (const Batch* const batch = held_out.Due(step)) {
      ids.insert(ids.end(), batch->sample_ids.begin(), batch->sample_ids.end());
    }
  }
  return ids;
}

TEST_CASE("a worker's held-out batches come round every so many steps", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 40, 1);
  const JobConfig job = JobWith(directory);
  const HeldOut held_out = *LoadFor(job, 0, 1);
  CHECK(held_out.Due(1) == nullptr);
  CHECK(held_out.Due(2) == nullptr);
  REQUIRE(held_out.Due(3) != nullptr);
  const uint64_t batches = (40 + job.training.batch_size - 1) / job.training.batch_size;
  CHECK(IdsDue(held_out, 3 * batches).size() == 40);
  CHECK(held_out.Due(3) == held_out.Due(3 + 3 * batches));
}

TEST_CASE("workers share the held-out samples without gap or overlap", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 25, 1);
  directory.Append("a.csv", "no sample\n");
  directory.AppendSamples("b.csv", 16, 2);
  JobConfig job = JobWith(directory);
  job.evaluation.held_out_every = 1;
  job.training.batch_size = 100;
  std::vector<uint64_t> shared;
  for (uint32_t worker = 0; worker < 3; ++worker) {
    const std::vector<uint64_t> share = IdsDue(*LoadFor(job, worker, 3), 1);
    CHECK(share.size() >= 41 / 3);
    shared.insert(shared.end(), share.begin(), share.end());
  }
  std::vector<uint64_t> all = IdsDue(*LoadFor(job, 0, 1), 1);
  std::sort(shared.begin(), shared.end());
  std::sort(all.begin(), all.end());
  CHECK(shared == all);
  CHECK(all.size() == 41);

  job.evaluation.held_out_max_samples = 7;
  CHECK(IdsDue(*LoadFor(job, 0, 1), 1).size() == 7);
}

TEST_CASE("a held-out stream without a sample is refused by name; none is none", "[worker]") {
  const StreamDirectory directory;
  directory.Append("a.csv", "no sample\n");
  JobConfig job = JobWith(directory);
  const Status status = LoadFor(job, 0, 1).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK_THAT(MessageOf(status), Catch::Contains("evaluation.held_out.path " + directory.path()));
  job.evaluation.held_out_path.clear();
  CHECK(LoadFor(job, 0, 1)->Due(3) == nullptr);
}

}  // namespace
}  // namespace freshet::worker
