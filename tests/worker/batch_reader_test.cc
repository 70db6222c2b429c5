#include "worker/batch_reader.h"

#include <algorithm>

#include "common/sample/feature_mapper.h"
#include "common/sample/sample_id.h"
#include "tests/worker/fixture.h"

namespace freshet::worker {
namespace {

using test::StreamDirectory;

// A reader and all it borrows.
struct Reading {
  Reading(const JobConfig& job,
          uint32_t worker,
          uint32_t workers,
          const std::vector<proto::WorkerState>& states = {})
      : stream(MakeFileStream(LocalFileSystem(), SystemClock(), job.stream)),
        metrics(registry),
        parser(*MakeSampleParser(job.format, *FeatureMapper::Make(job.model))),
        reader(*stream,
               *parser,
               SystemClock(),
               metrics,
               {.worker = worker, .workers = workers, .training = job.training}) {
    const StatusOr<StreamState> restored = reader.Restore(states);
    REQUIRE(restored.ok());
    start = *restored;
    reader.Start([this](const Status& status) {
      error.Update([&status](Status& stored) { stored = status; });
      reader.Stop();
    });
  }

  // Up to and with the last.
  std::vector<ReadBatch> All() {
    std::vector<ReadBatch> batches;
    do {
      std::optional<ReadBatch> batch = reader.Take();
      REQUIRE(batch.has_value());
      batches.push_back(*std::move(batch));
    } while (!batches.back().last);
    return batches;
  }

  Metrics registry;
  std::unique_ptr<Stream> stream;
  WorkerMetrics metrics;
  std::unique_ptr<SampleParser> parser;
  test::Watched<Status> error;
  BatchReader reader;
  StreamState start;
};

proto::WorkerState StateAfter(const StreamState& after) {
  proto::WorkerState state;
  state.set_next_partition(after.next);
  for (size_t i = 0; i < after.partitions.size(); ++i) {
    proto::StreamPosition* position = state.add_positions();
    position->set_partition((*after.names)[i]);
    position->set_offset(after.partitions[i].offset);
    position->set_samples(after.partitions[i].samples);
    position->set_bad_samples(after.partitions[i].bad_samples);
    position->set_finished(after.partitions[i].finished);
    position->set_pass(after.partitions[i].pass);
  }
  return state;
}

std::vector<std::vector<uint64_t>> IdsOf(const std::vector<ReadBatch>& batches) {
  std::vector<std::vector<uint64_t>> ids;
  for (const ReadBatch& batch : batches) {
    ids.push_back(batch.batch.sample_ids);
  }
  return ids;
}

TEST_CASE("in bsp partitions take turns with full batches, and a last partial one", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 40, 1);
  directory.AppendSamples("b.csv", 16, 2);
  Reading reading(test::MakeJob(directory.path(), "fm", Consistency::kBsp), 0, 1);
  const std::vector<ReadBatch> batches = reading.All();
  std::vector<size_t> sizes;
  for (const ReadBatch& batch : batches) {
    sizes.push_back(batch.batch.size());
  }
  CHECK(sizes == std::vector<size_t>{16, 16, 16, 8, 0});
  const StreamState& after = batches[1].after;
  CHECK(after.partitions[0].samples == 16);
  CHECK(after.partitions[1].samples == 16);
  CHECK(after.next == 0);
  CHECK(batches[0].after.next == 1);
  CHECK(batches[3].after.partitions[0].samples == 40);
  CHECK(batches[4].after.partitions[0].finished);
  CHECK(batches[4].after.partitions[1].finished);
}

TEST_CASE("a restart at any batch cuts the batches that would have followed", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 70, 1);
  directory.AppendSamples("b.csv", 20, 2);
  directory.AppendSamples("c.csv", 1, 3);
  directory.AppendSamples("d.csv", 50, 4);
  const JobConfig job = test::MakeJob(directory.path(), "fm", Consistency::kBsp);
  Reading whole(job, 0, 1);
  const std::vector<ReadBatch> batches = whole.All();
  REQUIRE(batches.size() == 5 + 2 + 1 + 4 + 1);
  for (size_t cut = 0; cut < batches.size(); ++cut) {
    Reading rest(job, 0, 1, {StateAfter(batches[cut].after)});
    CHECK(rest.start.next == batches[cut].after.next);
    std::vector<ReadBatch> expected(batches.begin() + static_cast<ptrdiff_t>(cut) + 1,
                                    batches.end());
    if (expected.empty()) {
      expected.push_back(batches.back());
    }
    const std::vector<ReadBatch> got = rest.All();
    CHECK(IdsOf(got) == IdsOf(expected));
    CHECK(got.back().after.partitions == batches.back().after.partitions);
  }
}

TEST_CASE("a sample's id is the hash of its partition and of where its record ends", "[worker]") {
  const StreamDirectory directory;
  directory.Append("a.csv", "1,u1,i1\n0,u22,i1\n");
  Reading reading(test::MakeJob(directory.path(), "fm", Consistency::kBsp), 0, 1);
  CHECK(reading.All()[0].batch.sample_ids ==
        std::vector<uint64_t>{SampleId("a.csv", 8), SampleId("a.csv", 17)});
}

TEST_CASE("records that are no sample are counted and left out", "[worker]") {
  const StreamDirectory directory;
  directory.Append("a.csv", "1,u1,i1\nhello\n7,u1,i2\n0,u2,i1\nno,u2\n");
  Reading reading(test::MakeJob(directory.path(), "fm", Consistency::kBsp), 0, 1);
  const std::vector<ReadBatch> batches = reading.All();
  REQUIRE(batches.size() == 2);
  CHECK(batches[0].batch.size() == 2);
  const PartitionState& end = batches[1].after.partitions[0];
  CHECK(end.samples == 2);
  CHECK(end.bad_samples == 3);
  CHECK(end.offset == 36);
  CHECK(reading.metrics.bad_samples.Value() == 3.0);
}

TEST_CASE("each worker reads its own partitions", "[worker]") {
  const StreamDirectory directory;
  for (const char* name : {"a.csv", "b.csv", "c.csv"}) {
    directory.AppendSamples(name, 5, 1);
  }
  const JobConfig job = test::MakeJob(directory.path(), "fm", Consistency::kBsp);
  Reading second(job, 1, 2);
  CHECK(*second.start.names == std::vector<std::string>{"b.csv"});
  CHECK(second.All().size() == 2);
  Reading none(job, 3, 4);
  const std::vector<ReadBatch> batches = none.All();
  CHECK(batches.size() == 1);
  CHECK(batches[0].after.partitions.empty());
}

TEST_CASE("in asp a batch goes out when its first sample has waited", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 3, 1);
  directory.Append("b.csv", "");
  JobConfig job = test::MakeJob(directory.path(), "fm", Consistency::kAsp, true);
  job.training.max_batch_wait_ms = 1;
  Reading reading(job, 0, 1);
  CHECK(reading.reader.Take()->batch.size() == 3);
  directory.AppendSamples("b.csv", 2, 2);
  const std::optional<ReadBatch> batch = reading.reader.Take();
  REQUIRE(batch.has_value());
  CHECK(batch->after.partitions[0].samples == 3);
  CHECK(batch->after.partitions[1].samples == batch->batch.size());
}

TEST_CASE("in asp samples that wait for their batch are behind no position", "[worker][position]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 3, 1);
  directory.Append("b.csv", "");
  JobConfig job = test::MakeJob(directory.path(), "fm", Consistency::kAsp, true);
  job.training.max_batch_wait_ms = 600'000;
  Reading reading(job, 0, 1);
  const uint64_t size = job.training.batch_size;
  // Long before the last of these the three have been read.
  for (uint64_t round = 1; round <= 50; ++round) {
    directory.AppendSamples("b.csv", static_cast<int>(size), 100 + round);
    const std::optional<ReadBatch> batch = reading.reader.Take();
    REQUIRE(batch.has_value());
    CHECK(batch->after.partitions[0].samples == 0);
    CHECK(batch->after.partitions[1].samples == round * size);
  }
  directory.AppendSamples("a.csv", static_cast<int>(size) - 3, 2);
  CHECK(reading.reader.Take()->after.partitions[0].samples == size);
}

TEST_CASE("a partition that appears is taken in, and the stream ends when it is complete",
          "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 16, 1);
  Reading reading(test::MakeJob(directory.path(), "fm", Consistency::kAsp, true), 0, 1);
  CHECK(reading.reader.Take()->after.names->size() == 1);
  directory.AppendSamples("b.csv", 16, 2);
  directory.Append("_SUCCESS", "");
  size_t samples = 0;
  for (const ReadBatch& batch : reading.All()) {
    samples += batch.batch.size();
    CHECK((batch.last || batch.after.names->size() == 2));
  }
  CHECK(samples == 16);
}

TEST_CASE("a partition that appears before those read ends the session by name", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("m.csv", 16, 1);
  Reading reading(test::MakeJob(directory.path(), "fm", Consistency::kAsp, true), 0, 1);
  CHECK(reading.reader.Take().has_value());
  directory.AppendSamples("a.csv", 16, 2);
  const Status error = reading.error.Await([](const Status& status) { return !status.ok(); });
  CHECK_THAT(MessageOf(error), Catch::Contains("a.csv"));
  CHECK_FALSE(reading.reader.Take().has_value());
}

// How a reader takes a position in a partition of a complete stream that has another one.
Status RestoreAt(const StreamDirectory& directory, const std::string& partition, uint64_t offset) {
  StreamState state;
  state.names = std::make_shared<const std::vector<std::string>>(1, partition);
  state.partitions = {{.offset = offset}};
  const JobConfig job = test::MakeJob(directory.path(), "fm", Consistency::kBsp);
  const auto stream = MakeFileStream(LocalFileSystem(), SystemClock(), job.stream);
  const auto parser = *MakeSampleParser(job.format, *FeatureMapper::Make(job.model));
  Metrics registry;
  WorkerMetrics metrics(registry);
  BatchReader reader(*stream,
                     *parser,
                     SystemClock(),
                     metrics,
                     {.worker = 0, .workers = 1, .training = job.training});
  return reader.Restore({StateAfter(state)}).status();
}

TEST_CASE("a partition shorter than its position is an error", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 2, 1);
  const Status status = RestoreAt(directory, "a.csv", 100'000);
  CHECK(absl::IsFailedPrecondition(status));
  CHECK_THAT(MessageOf(status), Catch::Contains("a.csv"));
}

TEST_CASE("a file trained in part that is gone fails a complete stream by name", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 16, 1);
  const Status status = RestoreAt(directory, "gone.csv", 100);
  CHECK(absl::IsFailedPrecondition(status));
  CHECK_THAT(MessageOf(status), Catch::Contains("gone.csv"));
}

TEST_CASE("a file that was gone for a while goes on where it was", "[worker]") {
  const StreamDirectory before;
  before.AppendSamples("b.csv", 40, 2);
  Reading first(test::MakeJob(before.path(), "fm", Consistency::kBsp), 0, 1);
  const std::optional<ReadBatch> trained = first.reader.Take();
  REQUIRE(trained.has_value());
  REQUIRE(trained->batch.size() < 40);

  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 16, 1);
  Reading second(test::MakeJob(directory.path(), "fm", Consistency::kAsp, true),
                 0,
                 1,
                 {StateAfter(trained->after)});
  size_t samples = second.reader.Take()->batch.size();
  directory.AppendSamples("b.csv", 40, 2);
  directory.Append("_SUCCESS", "");
  for (const ReadBatch& batch : second.All()) {
    samples += batch.batch.size();
  }
  CHECK(samples == 16 + 40 - trained->batch.size());
}

JobConfig WithPasses(JobConfig job, uint32_t passes) {
  job.training.passes = passes;
  return job;
}

TEST_CASE("passes read all partitions again, from any position on alike", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 40, 1);
  directory.AppendSamples("b.csv", 9, 2);
  const JobConfig once = test::MakeJob(directory.path(), "fm", Consistency::kBsp);
  const JobConfig thrice = WithPasses(once, 3);
  std::vector<std::vector<uint64_t>> one_pass = IdsOf(Reading(once, 0, 1).All());
  one_pass.pop_back();  // the end
  Reading whole(thrice, 0, 1);
  const std::vector<ReadBatch> batches = whole.All();
  REQUIRE(batches.size() == 3 * one_pass.size() + 1);
  for (size_t i = 0; i + 1 < batches.size(); ++i) {
    CHECK(batches[i].batch.sample_ids == one_pass[i % one_pass.size()]);
    CHECK(batches[i].after.partitions[0].pass == i / one_pass.size());
  }
  for (const PartitionState& partition : batches.back().after.partitions) {
    CHECK(partition.finished);
    CHECK(partition.pass == 2);
  }
  CHECK(batches.back().after.partitions[1].samples == 3 * 9);

  for (size_t from = 0; from < batches.size(); ++from) {
    Reading rest(thrice, 0, 1, {StateAfter(batches[from].after)});
    const std::vector<std::vector<uint64_t>> expected = IdsOf(batches);
    const size_t behind = std::min(from + 1, batches.size() - 1);
    CHECK(IdsOf(rest.All()) ==
          std::vector<std::vector<uint64_t>>(expected.begin() + static_cast<ptrdiff_t>(behind),
                                             expected.end()));
  }
}

TEST_CASE("a partition that was a pass ahead waits for its pass, and goes on there", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 16, 1);
  directory.AppendSamples("b.csv", 16, 2);
  const JobConfig job = WithPasses(test::MakeJob(directory.path(), "fm", Consistency::kBsp), 2);
  // Two workers, of which the second is done with its first pass and has read a batch more.
  const size_t batches_a_pass = (Reading(job, 1, 2).All().size() - 1) / 2;
  Reading second(job, 1, 2);
  std::optional<ReadBatch> ahead;
  for (size_t i = 0; i <= batches_a_pass; ++i) {
    ahead = second.reader.Take();
  }
  REQUIRE(ahead->after.partitions[0].pass == 1);
  const uint64_t learned_twice = ahead->after.partitions[0].samples - 16;

  Reading alone(job, 0, 1, {StateAfter(ahead->after)});
  uint64_t samples = 0;
  for (const ReadBatch& batch : alone.All()) {
    samples += batch.batch.size();
  }
  CHECK(samples == 2 * 16 + 16 - learned_twice);
}

TEST_CASE("stopping ends a reader that waits for samples or for room", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", GENERATE(0, 5, 5000), 1);
  Reading reading(test::MakeJob(directory.path(), "fm", Consistency::kBsp, true), 0, 1);
  reading.reader.Stop();
  CHECK_FALSE(reading.reader.Take().has_value());
  reading.reader.Join();
}

}  // namespace
}  // namespace freshet::worker
