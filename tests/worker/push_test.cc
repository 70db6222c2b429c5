// What a whole worker pushes, as servers that keep it see it.
#include <algorithm>

#include "tests/worker/fake_ps.h"
#include "worker/worker.h"

namespace freshet::worker {
namespace {

using test::FakePs;
using test::StreamDirectory;

// A worker of one job, with two servers that keep what they are told.
struct Training {
  explicit Training(const JobConfig& job) {
    for (uint32_t i = 0; i < 2; ++i) {
      fakes.push_back(std::make_unique<FakePs>(env, fmt::format("ps-{}", i), job.model));
    }
    WorkerOptions options;
    options.listen = "worker-0";
    auto started = Worker::Start(env.env, options, job, env.registry);
    REQUIRE(started.ok());
    worker = *std::move(started);
    channel = env.transport->Connect("worker-0");
  }

  // Begins the epoch, and waits for its end.
  std::vector<proto::PushRequest> Run(uint64_t epoch,
                                      const std::vector<proto::WorkerState>& states = {}) {
    proto::StartSessionRequest request;
    request.set_epoch(epoch);
    request.set_workers(1);
    request.set_partition_count(64);
    request.add_servers("ps-0");
    request.add_servers("ps-1");
    request.mutable_states()->Assign(states.begin(), states.end());
    const Status status = rpc::CallAndWait<proto::StartSessionResponse>(
                              *channel, rpc::Method::kStartSession, request, test::kLong)
                              .status();
    REQUIRE(status.ok());
    std::vector<proto::PushRequest> pushes;
    for (const FakePs::Seen& seen : fakes[0]->AwaitPushes(++sessions)) {
      proto::PushRequest push;
      REQUIRE(push.ParseFromString(seen.head));
      if (push.epoch() == epoch) {
        pushes.push_back(push);
      }
    }
    std::sort(pushes.begin(), pushes.end(), [](const auto& a, const auto& b) {
      return a.sequence() < b.sequence();
    });
    return pushes;
  }

  // The state of the worker, all of whose steps are acknowledged.
  proto::WorkerState Pause(uint64_t epoch) {
    proto::PauseRequest request;
    request.set_epoch(epoch);
    const auto response =
        rpc::CallAndWait<proto::PauseResponse>(*channel, rpc::Method::kPause, request, test::kLong);
    REQUIRE(response.ok());
    return response->state();
  }

  test::TestEnv env;
  std::vector<std::unique_ptr<FakePs>> fakes;
  std::unique_ptr<Worker> worker;
  std::unique_ptr<rpc::Channel> channel;
  size_t sessions = 0;
};

std::vector<uint64_t> StreamSteps(const std::vector<proto::PushRequest>& pushes) {
  std::vector<uint64_t> steps;
  for (const proto::PushRequest& push : pushes) {
    steps.push_back(push.stream_step());
  }
  return steps;
}

TEST_CASE("pushes count the batches of the stream, across epochs and rewinds", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 50, 1);
  Training training(test::MakeJob(directory.path(), "fm", Consistency::kAsp));
  // Batches of 16, 16, 16 and 2; then the push that says it was the last.
  CHECK(StreamSteps(training.Run(1)) == std::vector<uint64_t>{1, 2, 3, 4, 4});
  const proto::WorkerState end = training.Pause(1);
  CHECK(end.batches() == 4);
  // Nothing is left.
  CHECK(StreamSteps(training.Run(2, {end})) == std::vector<uint64_t>{4});

  proto::WorkerState earlier = end;
  earlier.set_batches(21);
  earlier.mutable_positions(0)->set_offset(0);
  earlier.mutable_positions(0)->set_finished(false);
  CHECK(StreamSteps(training.Run(3, {earlier})) == std::vector<uint64_t>{22, 23, 24, 25, 25});
  CHECK(StreamSteps(training.Run(4, {earlier})) == std::vector<uint64_t>{22, 23, 24, 25, 25});
  CHECK(StreamSteps(training.Run(5)) == std::vector<uint64_t>{1, 2, 3, 4, 4});
}

TEST_CASE("a worker tells of slots and counts as the model's rules need them", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 40, 1);
  JobConfig job = test::MakeJob(directory.path(), "fm", Consistency::kBsp);
  proto::FeaturePolicy& policy = *job.model.mutable_embedding_variables(0)->mutable_policy();
  bool counts = false;
  bool slots = false;
  SECTION("without rules neither") {}
  SECTION("with a rule that counts, counts") {
    counts = true;
    policy.mutable_rules()->mutable_admission()->set_filter_freq(2);
  }
  SECTION("with a rule of a slot, slots") {
    slots = true;
    policy.add_slots()->mutable_rules()->mutable_eviction()->set_ttl_secs(5);
  }
  SECTION("with a rule of a slot that counts, both") {
    counts = slots = true;
    policy.add_slots()->mutable_rules()->mutable_admission()->set_filter_freq(2);
  }
  Training training(job);
  size_t runs_of_items = 0;
  for (const proto::PushRequest& push : training.Run(1)) {
    CHECK(push.counts() == (counts && push.runs_size() > 0));
    CHECK(push.runs_size() <= (slots ? 2 : 1));
    runs_of_items += static_cast<size_t>(std::count_if(
        push.runs().begin(), push.runs().end(), [](const auto& run) { return run.slot() == 1; }));
  }
  CHECK((runs_of_items > 0) == slots);
}

TEST_CASE("batches are announced if the job says so, each ahead of its pull", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 64, 1);
  JobConfig job = test::MakeJob(directory.path(), "fm", Consistency::kAsp);
  job.training.announce = GENERATE(false, true);
  Training training(job);
  (void)training.Run(1);
  std::vector<std::vector<Key>> announced;
  std::vector<std::vector<Key>> pulled;
  for (const FakePs::Seen& seen : training.fakes[0]->seen().Get()) {
    if (seen.method == rpc::Method::kAnnounce) {
      announced.push_back(seen.keys);
    } else if (seen.method == rpc::Method::kPull) {
      pulled.push_back(seen.keys);
      CHECK((!job.training.announce || announced.size() >= pulled.size()));
    }
  }
  CHECK(pulled.size() == 4);
  CHECK(announced == (job.training.announce ? pulled : std::vector<std::vector<Key>>()));
}

}  // namespace
}  // namespace freshet::worker
