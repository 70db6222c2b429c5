#include "ps/ps_server.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <vector>

#include "common/rpc/typed.h"
#include "tests/ps/cluster.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using Catch::Matchers::Contains;
using test::Batch;
using test::Cluster;
using test::KeyOf;
using test::Run;
using test::SmallModel;

std::vector<Key> Keys(uint64_t begin, uint64_t end) {
  std::vector<Key> keys;
  for (uint64_t i = begin; i < end; ++i) {
    keys.push_back(KeyOf(i));
  }
  return keys;
}

// A push of ones to the first variable of SmallModel, and to its dense variable 0.
Batch Ones(const std::vector<Key>& keys) {
  return {.runs = {Run{.keys = keys, .gradients = std::vector<float>(keys.size() * 3, 1.0F)}},
          .dense = {0},
          .dense_gradients = {1.0F}};
}

TEST_CASE("what was pushed is pulled, cut, and restored", "[ps]") {
  const uint32_t owner_threads = GENERATE(1U, 3U);
  Cluster cluster({.owner_threads = owner_threads});
  CHECK(cluster.Restore(1, 0) == 0);
  cluster.Declare(1, SmallModel());
  const std::vector<Key> keys = Keys(0, 100);
  const Batch pull = {.runs = {Run{.keys = keys}}, .dense = {0, 1}};
  const auto initial = cluster.client().Pull({}, pull);
  REQUIRE(initial.ok());
  REQUIRE(initial->size() == 300 + 1 + 5);

  REQUIRE(cluster.client().Push({.sequence = 1, .step = 7}, Ones(keys)).ok());
  const auto pushed = cluster.client().Pull({}, pull);
  REQUIRE(pushed.ok());
  for (size_t i = 0; i < 301; ++i) {
    REQUIRE((*pushed)[i] < (*initial)[i]);
  }
  CHECK((*pushed)[300] == (*initial)[300] - 0.1F);  // the bias, by sgd

  cluster.CutVersion(1, 1, SmallModel());
  REQUIRE(cluster.client().Push({.sequence = 2}, Ones(Keys(90, 110))).ok());
  CHECK(cluster.client().Pull({}, pull) != pushed);
  CHECK(cluster.Restore(2, 1) == 100);
  CHECK(cluster.client().Pull({.epoch = 2}, pull) == pushed);
  CHECK(cluster.client().Declare(2, SmallModel()).ok());

  // The frequency and the event time came back too: they are in the next base.
  cluster.CutVersion(2, 2, SmallModel(), true);
  CHECK(cluster.Read(1) == cluster.Read(2));
  CHECK(cluster.Read(2).metadata.at({"weights", KeyOf(5)}) == std::pair(1U, 7U));
  CHECK(cluster.server().rows() == 100);
  CHECK(cluster.server().bytes() > 100 * 3 * 2 * sizeof(float));
}

TEST_CASE("a message of another epoch is refused wherever it arrives", "[ps]") {
  Cluster cluster({});
  const auto check_all = [&](uint64_t epoch, const std::string& reason) {
    test::Client& client = cluster.client();
    const Status statuses[] = {client.Declare(epoch, SmallModel()),
                               client.Pull({.epoch = epoch}, {}).status(),
                               client.Push({.epoch = epoch, .sequence = 1}, {}),
                               client.Cut(epoch, 1).status(),
                               client.WriteCut(epoch, 1).status(),
                               client.EndCut(epoch, 1, true),
                               client.Delete(epoch, "weights", {1}).status()};
    for (const Status& status : statuses) {
      CHECK(absl::IsAborted(status));
      CHECK(MessageOf(status) == reason);
    }
  };
  check_all(1, "epoch 1: this server is not restored yet");
  cluster.Restore(5, 0);
  check_all(4, "epoch 4 is over, 5 began");
  check_all(6, "epoch 6 has not begun here, it is 5");
  CHECK(absl::IsAborted(cluster.client().Restore(cluster.RestoreRequest(5, 0)).status()));
  CHECK(absl::IsAborted(cluster.client().Restore(cluster.RestoreRequest(4, 0)).status()));
  CHECK(cluster.client().Declare(5, SmallModel()).ok());
}

TEST_CASE("a restore that makes no sense is refused, and the epoch goes on", "[ps]") {
  Cluster cluster({});
  cluster.Restore(1, 0);
  proto::RestoreRequest request = cluster.RestoreRequest(2, 0);
  request.set_server(1);
  const auto restored = cluster.client().Restore(request);
  CHECK(absl::IsInvalidArgument(restored.status()));
  CHECK(MessageOf(restored.status()) == "restore: server is 1, must be 0 to 0");
  CHECK(cluster.client().Declare(1, SmallModel()).ok());
}

TEST_CASE("a push that is wrong is refused whole", "[ps]") {
  Cluster cluster({.servers = 2});
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  std::vector<Key> own;
  std::vector<Key> foreign;
  for (uint64_t i = 0; own.size() < 4 || foreign.empty(); ++i) {
    (cluster.ServerOf(KeyOf(i)) == 0 ? own : foreign).push_back(KeyOf(i));
  }
  own.resize(4);
  Batch batch = Ones(own);
  std::string reason;
  bool bad_gradient = false;
  SECTION("a key of another server") {
    batch.runs[0].keys[2] = foreign[0];
    reason =
        fmt::format("embedding variable weights: key {:016x} belongs to server 1, this is server 0",
                    foreign[0]);
  }
  SECTION("a dense variable of another server") {
    batch.dense = {1};
    batch.dense_gradients.resize(5);
    reason = "dense variable layer belongs to server 1, this is server 0";
  }
  SECTION("an unknown embedding variable") {
    batch.runs[0].variable = 2;
    reason = "embedding variable 2: the model has 2";
  }
  SECTION("an unknown dense variable") {
    batch.dense = {2};
    reason = "dense variable 2: the model has 2";
  }
  SECTION("a gradient too few") {
    batch.runs[0].gradients.pop_back();
    reason = "the payload of the push has 80 bytes, its runs and dense variables say 84";
  }
  SECTION("a slot that the model does not have") {
    batch.runs[0].slot = 1;
    reason = "embedding variable weights: its run is of slot 1, the model has 0 slots";
  }
  SECTION("a count too few") {
    batch.runs[0].counts.resize(3);
    reason = "the payload of the push has 108 bytes, its runs and dense variables say 116";
  }
  SECTION("more clicks than shows") {
    batch.runs[0].counts.resize(4);
    batch.runs[0].counts[2] = {.shows = 2.0F, .clicks = 3.0F};
    reason = fmt::format(
        "push 1 of worker 0: embedding variable weights has 2 shows and 3 clicks for key {:016x}, "
        "must be whole numbers, 1 <= shows <= 2^24 and 0 <= clicks <= shows",
        own[2]);
  }
  SECTION("a gradient that is no number") {
    bad_gradient = true;
    batch.runs[0].gradients[7] = std::numeric_limits<float>::quiet_NaN();
    reason = fmt::format(
        "push 1 of worker 0: the gradient of embedding variable weights for key {:016x} is nan in "
        "column 1, must be finite and below 2^60",
        own[2]);
  }
  SECTION("a gradient that is infinite") {
    bad_gradient = true;
    batch.dense_gradients[0] = -std::numeric_limits<float>::infinity();
    reason =
        "push 1 of worker 0: the gradient of dense variable bias is -inf at element 0, must be "
        "finite and below 2^60";
  }
  SECTION("a gradient whose square is infinite") {
    bad_gradient = true;
    batch.runs[0].gradients[0] = -2e18F;
    reason = fmt::format(
        "push 1 of worker 0: the gradient of embedding variable weights for key {:016x} is -2e+18 "
        "in column 0, must be finite and below 2^60",
        own[0]);
  }
#ifndef NDEBUG
  SECTION("a key that comes twice") {
    batch.runs[0].keys[3] = own[0];
    reason = fmt::format("embedding variable weights: key {:016x} comes twice in a run", own[0]);
  }
#endif
  const Status status = cluster.client().Push({.sequence = 1}, batch);
  CHECK(absl::IsInvalidArgument(status));
  CHECK(MessageOf(status) == reason);
  CHECK(cluster.server().rows() == 0);
  CHECK_THAT(cluster.server().MetricsText(),
             Contains("freshet_ps_refused_pushes_total{reason=\"INVALID_ARGUMENT\"} 1"));
  const std::string counter = "freshet_ps_bad_gradient_pushes_total{worker=\"0\"} 1";
  CHECK((cluster.server().MetricsText().find(counter) != std::string::npos) == bad_gradient);
  // Its sequence is not used up: the push put right is applied.
  CHECK(cluster.client().Push({.sequence = 1}, Ones(own)).ok());
  CHECK(cluster.server().rows() == 4);
}

TEST_CASE("bad gradients of a worker that is none of the session's make no counter", "[ps]") {
  Cluster cluster({});
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  Batch batch = Ones(Keys(0, 3));
  batch.dense_gradients[0] = std::numeric_limits<float>::infinity();
  CHECK(absl::IsInvalidArgument(cluster.client().Push({.worker = 7, .sequence = 1}, batch)));
  CHECK_THAT(cluster.server().MetricsText(), !Contains("freshet_ps_bad_gradient_pushes_total"));
}

TEST_CASE("a push may say how often its keys were seen", "[ps]") {
  const uint32_t owner_threads = GENERATE(1U, 3U);
  Cluster cluster({.owner_threads = owner_threads});
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  Batch batch = Ones(Keys(0, 50));
  batch.runs[0].counts.assign(50, {.shows = 3.0F, .clicks = 3.0F});
  batch.runs.push_back({.variable = 0,
                        .keys = Keys(50, 70),
                        .gradients = std::vector<float>(60, 1.0F),
                        .counts = std::vector<KeyCount>(20, {.shows = 1.0F})});
  REQUIRE(cluster.client().Push({.sequence = 1}, batch).ok());
  CHECK(cluster.server().rows() == 70);
}

// The sizes of such a push, added up in 64 bits, come to just those of its payload.
TEST_CASE("a push of so many keys that their bytes overflow is refused", "[ps]") {
  constexpr uint32_t kWide = 1U << 16U;
  constexpr uint64_t kBytesOfKey = sizeof(Key) + kWide * sizeof(uint16_t);
  proto::ModelSpec model;
  *model.add_embedding_variables() = test::EmbeddingOf("wide", kWide, test::SgdOf(0.1F));
  Cluster cluster({});
  cluster.Restore(1, 0);
  cluster.Declare(1, model);
  const uint64_t keys = UINT64_MAX / kBytesOfKey + 1;
  proto::PushRequest request;
  request.set_epoch(1);
  request.set_sequence(1);
  request.set_gradients(proto::BF16);
  for (uint64_t left = keys; left > 0;) {
    const auto run = static_cast<uint32_t>(std::min<uint64_t>(left, UINT32_MAX));
    request.add_runs()->set_keys(run);
    left -= run;
  }
  Buffer payload(keys * kBytesOfKey);
  REQUIRE(payload.size() < kBytesOfKey);
  const auto answer = cluster.client().channel().CallAndWait(
      rpc::Method::kPush, rpc::MakeMessage(request, std::move(payload)), std::chrono::seconds(60));
  CHECK(absl::IsInvalidArgument(answer.status()));
  CHECK_THAT(MessageOf(answer.status()), Contains("at most 8388608 are allowed"));
}

TEST_CASE("a dense variable comes once in a request", "[ps]") {
  Cluster cluster({});
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  const std::string twice = "dense variable layer comes twice in a request";
  const Batch pull = {.dense = {1, 0, 1}};
  CHECK(MessageOf(cluster.client().Pull({}, pull).status()) == twice);
  const Batch push = {.dense = {1, 1}, .dense_gradients = std::vector<float>(10, 1.0F)};
  CHECK(MessageOf(cluster.client().Push({.sequence = 1}, push)) == twice);
}

TEST_CASE("a pull that is wrong is refused", "[ps]") {
  Cluster cluster({});
  cluster.Restore(1, 0);
  const Batch pull = {.runs = {Run{.keys = Keys(0, 3)}}};
  CHECK(absl::IsFailedPrecondition(cluster.client().Pull({}, pull).status()));
  cluster.Declare(1, SmallModel());
  rpc::Message message = test::PullMessage({}, pull);
  message.body = Buffer(23);
  const auto answer = cluster.client().channel().CallAndWait(
      rpc::Method::kPull, std::move(message), std::chrono::seconds(60));
  CHECK(absl::IsInvalidArgument(answer.status()));
  CHECK(MessageOf(answer.status()) == "a payload of 23 bytes cannot hold the 3 keys of its runs");
}

TEST_CASE("the same model may be declared again, another one not", "[ps]") {
  Cluster cluster({});
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  cluster.Declare(1, SmallModel());
  proto::ModelSpec other = SmallModel();
  other.mutable_embedding_variables(0)->set_dim(8);
  const Status status = cluster.client().Declare(1, other);
  CHECK(absl::IsFailedPrecondition(status));
  CHECK_THAT(MessageOf(status), Contains("dim"));
  cluster.Restore(2, 0);
  CHECK(cluster.client().Declare(2, other).ok());
}

TEST_CASE("a cut that is given up goes into the next one", "[ps]") {
  const uint32_t owner_threads = GENERATE(1U, 2U);
  Cluster cluster({.owner_threads = owner_threads});
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  REQUIRE(cluster.client().Push({.sequence = 1}, Ones(Keys(0, 50))).ok());
  CHECK(cluster.client().Cut(1, 1)->rows() == 50);
  SECTION("before it is written") {}
  SECTION("after it is written") {
    REQUIRE(cluster.log().Prepare(VersionId(1)).ok());
    CHECK(cluster.client().WriteCut(1, 1).ok());
  }
  SECTION("after writing it has failed") {  // there is no folder
    CHECK_FALSE(cluster.client().WriteCut(1, 1).ok());
  }
  REQUIRE(cluster.client().Push({.sequence = 2}, Ones(Keys(40, 60))).ok());
  REQUIRE(cluster.client().EndCut(1, 1, false).ok());
  REQUIRE(cluster.client().EndCut(1, 1, false).ok());  // said twice
  cluster.CutVersion(1, 2, SmallModel());
  CHECK(cluster.Read(2).rows.size() == 60);
  CHECK(cluster.client().Cut(1, 3)->rows() == 0);
}

TEST_CASE("the steps of a cut come in their order", "[ps]") {
  Cluster cluster({});
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  test::Client& client = cluster.client();
  REQUIRE(client.Push({.sequence = 1}, Ones(Keys(0, 5))).ok());
  const auto refused = [](const Status& status) {
    CHECK(absl::IsFailedPrecondition(status));
    return MessageOf(status);
  };
  CHECK(refused(client.WriteCut(1, 1).status()) == "version 1 cannot be written: it has no cut");
  CHECK(refused(client.EndCut(1, 1, true)) == "version 1 cannot be committed: it has no cut");
  CHECK(client.EndCut(1, 1, false).ok());  // it may never have arrived
  REQUIRE(client.Cut(1, 1).ok());
  CHECK(refused(client.Cut(1, 2).status()) ==
        "cut of version 2: the cut of version 1 has not ended");
  CHECK(refused(client.EndCut(1, 1, true)) == "version 1 cannot be committed: it is not written");
  REQUIRE(cluster.log().Prepare(VersionId(1)).ok());
  const auto parts = client.WriteCut(1, 1);
  REQUIRE(parts.ok());
  REQUIRE(parts->size() == 1);
  CHECK(parts->front().name() == "part-0-0.safetensors");
  const auto again = client.WriteCut(1, 1);
  REQUIRE(again.ok());
  CHECK(again->front().SerializeAsString() == parts->front().SerializeAsString());
  CHECK(client.EndCut(1, 1, true).ok());
  CHECK(client.EndCut(1, 1, true).ok());  // said twice
  CHECK(client.Cut(1, 2)->rows() == 0);
}

TEST_CASE("a version holds the rows as they were at the cut", "[ps]") {
  const uint32_t owner_threads = GENERATE(1U, 2U);
  Cluster cluster({.owner_threads = owner_threads});
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  const std::vector<Key> keys = Keys(0, 2500);  // some slices
  const Batch dense = {.dense = {0}};
  REQUIRE(cluster.client().Push({.sequence = 1}, Ones(keys)).ok());
  const std::vector<float> at_cut = cluster.PullAll(1, 0, 3, keys);
  const auto bias_at_cut = cluster.client().Pull({}, dense);
  REQUIRE(cluster.client().Cut(1, 1).ok());
  REQUIRE(cluster.client().Push({.sequence = 2}, Ones(Keys(0, 2000))).ok());
  REQUIRE(cluster.client().Delete(1, "weights", Keys(1500, 2200)).ok());
  REQUIRE(cluster.log().Prepare(VersionId(1)).ok());
  const auto parts = cluster.client().WriteCut(1, 1);
  REQUIRE(parts.ok());
  cluster.Commit(1, SmallModel(), *parts, false);
  REQUIRE(cluster.client().EndCut(1, 1, true).ok());
  const std::vector<float> at_second = cluster.PullAll(1, 0, 3, keys);
  cluster.CutVersion(1, 2, SmallModel());

  CHECK(cluster.Restore(2, 1) == 2500);
  CHECK(cluster.PullAll(2, 0, 3, keys) == at_cut);
  CHECK(cluster.client().Pull({.epoch = 2}, dense) == bias_at_cut);
  CHECK(cluster.Restore(3, 2) == 1800);
  CHECK(cluster.PullAll(3, 0, 3, keys) == at_second);
}

TEST_CASE("deleted keys are tombstones, and gone after a restore", "[ps]") {
  Cluster cluster({.servers = 2, .owner_threads = 2});
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  for (uint32_t server = 0; server < 2; ++server) {
    Batch batch = Ones({});
    for (const Key key : Keys(0, 100)) {
      if (cluster.ServerOf(key) == server) {
        batch.runs[0].keys.push_back(key);
      }
    }
    batch.runs[0].gradients.resize(batch.runs[0].keys.size() * 3, 1.0F);
    batch.dense = {server};
    batch.dense_gradients.resize(server == 0 ? 1 : 5, 1.0F);
    REQUIRE(cluster.client(server).Push({.sequence = 1}, batch).ok());
  }
  cluster.CutVersion(1, 1, SmallModel());
  // To both servers the same keys; each deletes its own.
  const uint64_t deleted = *cluster.client(0).Delete(1, "weights", Keys(90, 120)) +
                           *cluster.client(1).Delete(1, "weights", Keys(90, 120));
  CHECK(deleted == 10);
  CHECK(*cluster.client(0).Delete(1, "weights", Keys(90, 120)) == 0);
  cluster.CutVersion(1, 2, SmallModel());
  CHECK(cluster.Read(1).rows.size() == 100);
  CHECK(cluster.Read(2).rows.size() == 90);
  CHECK(cluster.Restore(2, 2) == 90);
  const auto refused = cluster.client().Delete(2, "wheights", {1});
  CHECK(absl::IsInvalidArgument(refused.status()));
  CHECK_THAT(MessageOf(refused.status()), Contains("(did you mean 'weights'?); it has: weights"));
}

TEST_CASE("a version written by two servers loads on one and on three", "[ps]") {
  test::ScratchFolder log;
  const std::vector<Key> keys = Keys(0, 500);
  std::vector<float> expected;
  {
    Cluster two({.servers = 2, .owner_threads = 3}, log.path());
    two.Restore(1, 0);
    two.Declare(1, SmallModel());
    for (uint64_t round = 1; round <= 3; ++round) {
      for (uint32_t server = 0; server < 2; ++server) {
        Batch batch{.runs = {Run{}}};
        for (const Key key : Keys(round * 50, round * 50 + 300)) {
          if (two.ServerOf(key) == server) {
            batch.runs[0].keys.push_back(key);
          }
        }
        batch.runs[0].gradients.resize(batch.runs[0].keys.size() * 3, 0.5F);
        REQUIRE(two.client(server).Push({.sequence = round}, batch).ok());
      }
      two.CutVersion(1, round, SmallModel());
    }
    expected = two.PullAll(1, 0, 3, keys);
  }
  uint64_t version = 3;
  uint64_t epoch = 1;
  for (const uint32_t servers : {1U, 3U, 2U}) {
    Cluster other({.servers = servers, .owner_threads = 2}, log.path());
    CHECK(other.Restore(++epoch, version) == 400);
    CHECK(other.PullAll(epoch, 0, 3, keys) == expected);
    other.CutVersion(epoch, ++version, SmallModel(), true);
    CHECK(other.Read(version) == other.Read(3));
  }
}

TEST_CASE("statistics count the rows of each variable", "[ps]") {
  Cluster cluster({.owner_threads = 3});
  CHECK(cluster.client().Stats()->variables_size() == 0);
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  REQUIRE(cluster.client().Push({.sequence = 1}, Ones(Keys(0, 77))).ok());
  const auto stats = cluster.client().Stats();
  REQUIRE(stats.ok());
  REQUIRE(stats->variables_size() == 2);
  CHECK(stats->variables(0).name() == "weights");
  CHECK(stats->variables(0).rows() == 77);
  CHECK(stats->variables(0).bytes() > 77 * 40);
  CHECK(stats->variables(1).rows() == 0);
  CHECK_THAT(cluster.server().MetricsText(), Contains("freshet_ps_push_keys_total 77"));
  CHECK_THAT(cluster.server().MetricsText(), Contains("freshet_ps_rows 77"));
}

TEST_CASE("a damaged part is named, and its epoch never begins", "[ps]") {
  Cluster cluster({});
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  REQUIRE(cluster.client().Push({.sequence = 1}, Ones(Keys(0, 100))).ok());
  cluster.CutVersion(1, 1, SmallModel());
  const std::string part = cluster.log().VersionDirectory(VersionId(1)) + "/part-0-0.safetensors";
  {
    std::fstream file(part, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-5, std::ios::end);
    file.put('\x5a');
  }
  const auto restored = cluster.client().Restore(cluster.RestoreRequest(2, 1));
  CHECK(absl::IsDataLoss(restored.status()));
  CHECK_THAT(MessageOf(restored.status()), Contains("part-0-0.safetensors"));
  const Status status = cluster.client().Declare(2, SmallModel());
  CHECK(absl::IsAborted(status));
  CHECK_THAT(MessageOf(status), Contains("epoch 2 could not begin"));
  CHECK(cluster.Restore(3, 0) == 0);
  CHECK(cluster.client().Declare(3, SmallModel()).ok());
}

TEST_CASE("a server needs an owner thread", "[ps]") {
  const auto transport = rpc::MakeInProcessTransport();
  const Env env{.clock = SystemClock(),
                .random = SystemRandom(),
                .files = LocalFileSystem(),
                .transport = *transport};
  PsOptions options;
  options.owner_threads = 0;
  CHECK(absl::IsInvalidArgument(PsServer::Start(options, env).status()));
}

}  // namespace
}  // namespace freshet::ps
