#include "worker/worker.h"

#include <set>

#include "tests/worker/cluster.h"

namespace freshet::worker {
namespace {

using test::Cluster;
using test::StreamDirectory;

std::vector<proto::StreamPosition> PositionsOf(const std::vector<proto::WorkerState>& states) {
  std::vector<proto::StreamPosition> positions;
  for (const proto::WorkerState& state : states) {
    positions.insert(positions.end(), state.positions().begin(), state.positions().end());
  }
  return positions;
}

// The keys of every sample of the job.
std::vector<Key> AllKeys(const JobConfig& job) {
  std::vector<Key> keys;
  for (int user = 0; user < 17; ++user) {
    keys.push_back(HashKey(SlotSeed("user"), fmt::format("u{}", user)));
  }
  for (int item = 0; item < 31; ++item) {
    keys.push_back(HashKey(SlotSeed("item"), fmt::format("i{}", item)));
  }
  FRESHET_CHECK(job.model.slots_size() == 2);
  return keys;
}

void CheckLedger(Cluster& cluster, uint64_t epoch, const std::vector<proto::WorkerState>& states) {
  std::map<Key, LedgerEntry> got;
  for (const auto& [key, row] : cluster.Rows(AllKeys(cluster.job()), epoch)) {
    if (const LedgerEntry entry = ReadLedger(row); entry.count > 0) {
      got[key] = entry;
    }
  }
  CHECK((got == test::ExpectedLedger(cluster.job(), PositionsOf(states))));
}

uint64_t SamplesOf(const std::vector<proto::WorkerState>& states) {
  uint64_t samples = 0;
  for (const proto::WorkerState& state : states) {
    samples += state.evaluation().samples();
  }
  return samples;
}

TEST_CASE("every sample is trained once, by two workers on two servers", "[worker]") {
  const auto [consistency, ahead] = GENERATE(std::pair(Consistency::kAsp, 0U),
                                             std::pair(Consistency::kAsp, 3U),
                                             std::pair(Consistency::kSsp, 5U),
                                             std::pair(Consistency::kBsp, 3U));
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 300, 1);
  directory.AppendSamples("b.csv", 50, 2);
  directory.AppendSamples("c.csv", 171, 3);
  JobConfig job = test::MakeJob(directory.path(), "ledger", consistency);
  job.training.batches_ahead = ahead;
  Cluster cluster(job, 2, 2);
  cluster.Begin(1);
  cluster.AwaitFinished();
  CHECK(cluster.Report(0).samples() + cluster.Report(1).samples() == 521);
  const auto states = cluster.PauseAll(1);
  CHECK(SamplesOf(states) == 521);
  for (const proto::StreamPosition& position : PositionsOf(states)) {
    CHECK(position.finished());
  }
  CheckLedger(cluster, 1, states);
}

// Rules that change no row, and of which every push must tell all: slots and counts.
void AddServingRules(JobConfig* job) {
  proto::FeaturePolicy& policy = *job->model.mutable_embedding_variables(0)->mutable_policy();
  proto::SlotRules& slot = *policy.add_slots();
  slot.set_slot(1);
  slot.mutable_rules()->mutable_serving()->set_min_frequency(2);
}

TEST_CASE("with rules by slot and counts every sample is trained once all the same", "[worker]") {
  const Consistency consistency = GENERATE(Consistency::kAsp, Consistency::kBsp);
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 300, 1);
  directory.AppendSamples("b.csv", 50, 2);
  directory.AppendSamples("c.csv", 171, 3);
  JobConfig job = test::MakeJob(directory.path(), "ledger", consistency);
  AddServingRules(&job);
  job.training.announce = true;
  Cluster cluster(job, 2, 2);
  cluster.Begin(1);
  cluster.AwaitFinished();
  CheckLedger(cluster, 1, cluster.PauseAll(1));
}

TEST_CASE("at a pause the servers hold what the positions say, and no more", "[worker]") {
  const Consistency consistency = GENERATE(Consistency::kAsp, Consistency::kBsp);
  const StreamDirectory directory;
  for (int i = 0; i < 5; ++i) {
    directory.AppendSamples(fmt::format("{}.csv", i), 300 + 20 * i, static_cast<uint64_t>(i));
  }
  JobConfig job = test::MakeJob(directory.path(), "ledger", consistency);
  job.training.batches_ahead = GENERATE(0U, 2U);
  Cluster cluster(job, 2, 2);
  cluster.Begin(1);
  uint64_t windows = 0;
  uint64_t before = 0;
  std::vector<proto::WorkerState> states;
  do {
    states = cluster.PauseAll(1);
    if (SamplesOf(states) > 0) {
      CheckLedger(cluster, 1, states);
    }
    CHECK(SamplesOf(states) >= before);
    before = SamplesOf(states);
    for (const proto::WorkerState& state : states) {
      windows += state.window().samples();
    }
    CHECK(windows == before);
    cluster.ResumeAll(1, true);
  } while (!cluster.Report(0).finished() || !cluster.Report(1).finished());
  states = cluster.PauseAll(1);
  CHECK(SamplesOf(states) == 1700);
}

TEST_CASE("in bsp two runs end with the same bits, whatever the timing", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 300, 1);
  directory.AppendSamples("b.csv", 220, 2);
  directory.AppendSamples("c.csv", 90, 3);
  std::vector<std::map<Key, std::vector<float>>> runs;
  for (int run = 0; run < 2; ++run) {
    Cluster cluster(test::MakeJob(directory.path(), "fm", Consistency::kBsp), 2, 2);
    cluster.Begin(1);
    if (run == 1) {
      for (int pause = 0; pause < 5; ++pause) {
        (void)cluster.PauseAll(1);
        cluster.ResumeAll(1, false);
      }
    }
    cluster.AwaitFinished();
    runs.push_back(cluster.Rows(AllKeys(cluster.job()), 1));
  }
  CHECK((runs[0] == runs[1]));
}

TEST_CASE("a model learns: later samples are scored better than chance", "[worker]") {
  const StreamDirectory directory;
  // Users with an even number click.
  std::string text;
  for (uint64_t i = 0; i < 2000; ++i) {
    const uint64_t user = SplitMix64(i) % 17;
    text += fmt::format("{},u{},i{}\n", user % 2, user, SplitMix64(i) % 31);
  }
  directory.Append("a.csv", text);
  const char* kind = GENERATE("lr", "fm");
  Cluster cluster(test::MakeJob(directory.path(), kind, Consistency::kAsp), 1, 1);
  cluster.Begin(1);
  cluster.AwaitFinished();
  const EvaluationSums sums(cluster.Report(0).evaluation());
  CHECK(sums.samples() == 2000);
  CHECK(sums.Auc() > 0.9);
  CHECK(sums.MeanLogLoss() < 0.6);
}

TEST_CASE("a worker without a partition ends at once, and keeps nobody waiting", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 100, 1);
  Cluster cluster(test::MakeJob(directory.path(), "ledger", Consistency::kBsp), 1, 3);
  cluster.Begin(1);
  cluster.AwaitFinished();
  CheckLedger(cluster, 1, cluster.PauseAll(1));
}

TEST_CASE("a new epoch ends the session before and begins at the positions given",
          "[worker][old_epoch]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 400, 1);
  Cluster cluster(test::MakeJob(directory.path(), "ledger", Consistency::kBsp, true), 1, 1);
  cluster.Begin(1);
  const auto first = cluster.PauseAll(1);
  cluster.ResumeAll(1, false);
  cluster.Begin(2, first);
  CHECK(absl::IsAborted(cluster.Hold(0, 1).status()));
  CHECK(absl::IsAborted(cluster.Pause(0, 1, 0).status()));
  CHECK(absl::IsAborted(cluster.Resume(0, 1, false)));
  CHECK(absl::IsAborted(cluster.StartSession(0, 1).status()));
  directory.Append("_SUCCESS", "");
  cluster.AwaitFinished();
  CHECK(cluster.Report(0).epoch() == 2);
  CHECK(cluster.Report(0).samples() == 400);
  // The servers began anew at the positions: what they hold is the rest.
  std::map<Key, LedgerEntry> rest =
      test::ExpectedLedger(cluster.job(), PositionsOf(cluster.PauseAll(2)));
  for (const auto& [key, entry] : test::ExpectedLedger(cluster.job(), PositionsOf(first))) {
    rest[key].count -= entry.count;
    rest[key].id_sum -= entry.id_sum;
  }
  for (const auto& [key, row] : cluster.Rows(AllKeys(cluster.job()), 2)) {
    CHECK(ReadLedger(row) == rest[key]);
  }
}

TEST_CASE("a StartSession that is repeated does not begin anew", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 100, 1);
  Cluster cluster(test::MakeJob(directory.path(), "ledger", Consistency::kAsp), 1, 1);
  cluster.Begin(1);
  const auto again = cluster.StartSession(0, 1);
  REQUIRE(again.ok());
  CHECK(again->model().kind() == "ledger");
  cluster.AwaitFinished();
  CheckLedger(cluster, 1, cluster.PauseAll(1));
}

TEST_CASE("a session that servers refuse ends, and its report says why", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 100, 1);
  Cluster cluster(test::MakeJob(directory.path(), "ledger", Consistency::kAsp), 1, 1);
  cluster.RestoreServers(7);
  REQUIRE(cluster.StartSession(0, 6).ok());
  const proto::MemberReport report =
      cluster.AwaitReport(0, [](const proto::MemberReport& of) { return !of.error().empty(); });
  CHECK_THAT(report.error(), Catch::Contains("declare the model to ps-0"));
  CHECK_FALSE(report.finished());
  REQUIRE(cluster.StartSession(0, 7).ok());
  cluster.AwaitFinished();
}

TEST_CASE("a session without its stream ends, and its report says why", "[worker]") {
  const StreamDirectory directory;
  Cluster cluster(test::MakeJob(directory.path() + "/none", "ledger", Consistency::kAsp), 1, 1);
  cluster.Begin(1);
  const proto::MemberReport report =
      cluster.AwaitReport(0, [](const proto::MemberReport& of) { return !of.error().empty(); });
  CHECK_THAT(report.error(), Catch::Contains("/none"));
}

TEST_CASE("a request that fits no worker is refused", "[worker]") {
  const StreamDirectory directory;
  Cluster cluster(test::MakeJob(directory.path(), "ledger", Consistency::kAsp), 1, 1);
  proto::StartSessionRequest request;
  request.set_epoch(1);
  request.set_worker(3);
  request.set_workers(4);
  const auto channel = cluster.env().transport->Connect("worker-0");
  const auto call = [&] {
    return rpc::CallAndWait<proto::StartSessionResponse>(
               *channel, rpc::Method::kStartSession, request, test::kLong)
        .status();
  };
  CHECK_THAT(MessageOf(call()), Catch::Contains("worker 3 of 4"));
  request.set_worker(0);
  CHECK_THAT(MessageOf(call()), Catch::Contains("0 servers"));
  CHECK(absl::IsAborted(cluster.Hold(0, 0).status()));
}

TEST_CASE("a worker ends while it waits for a server, for samples or for Resume", "[worker]") {
  const StreamDirectory directory;
  directory.AppendSamples("a.csv", 100, 1);
  Cluster cluster(test::MakeJob(directory.path(), "ledger", Consistency::kBsp, true), 1, 2);
  const int stage = GENERATE(0, 1, 2);
  if (stage == 0) {
    cluster.Begin(1);
  } else if (stage == 1) {
    // Worker 1 never begins: worker 0 waits for its push.
    cluster.RestoreServers(1);
    REQUIRE(cluster.StartSession(0, 1).ok());
  } else {
    cluster.Begin(1);
    (void)cluster.PauseAll(1);
  }
}

}  // namespace
}  // namespace freshet::worker
