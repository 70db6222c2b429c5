#include "worker/ps_client.h"

#include <algorithm>
#include <future>
#include <map>
#include <random>
#include <tuple>

#include "common/model/batch_builder.h"
#include "tests/worker/fake_ps.h"

namespace freshet::worker {
namespace {

using test::FakePs;

// A client of some servers, and a step to send.
struct Client {
  explicit Client(size_t servers, FakePs::Hook hook = {}) {
    PsClientOptions options;
    options.epoch = 3;
    options.worker = 1;
    options.timeout_of_a_try = std::chrono::milliseconds(50);
    for (size_t i = 0; i < servers; ++i) {
      options.servers.push_back(fmt::format("ps-{}", i));
      fakes.push_back(std::make_unique<FakePs>(env, options.servers.back(), job.model, hook));
    }
    client = std::make_unique<PsClient>(env.env, job.model, options, metrics);
  }

  // A step of these keys, one sample each, with gradients key + column.
  std::shared_ptr<Step> MakeStep(const std::vector<Key>& keys) const {
    auto step = std::make_shared<Step>();
    step->number = 4;
    step->stream_step = 104;
    BatchBuilder builder(1);
    Sample sample;
    for (const Key key : keys) {
      sample.features.push_back({.key = key});
    }
    builder.Add(sample, 0, 0);
    step->batch = builder.Take();
    step->batch.max_event_time_ms = 77;
    return step;
  }

  Status Pull(const std::shared_ptr<Step>& step) {
    return Wait([&](PsClient::Done done) { client->Pull(step, std::move(done)); });
  }

  Status Push(const std::shared_ptr<Step>& step) {
    return Wait([&](PsClient::Done done) { client->Push(step, std::move(done)); });
  }

  template <typename Send>
  static Status Wait(const Send& send) {
    auto promise = std::make_shared<std::promise<Status>>();
    send([promise](const Status& status) { promise->set_value(status); });
    return promise->get_future().get();
  }

  test::TestEnv env;
  WorkerMetrics metrics{env.registry};
  JobConfig job = test::MakeJob("unused", "fm", Consistency::kAsp);
  std::vector<std::unique_ptr<FakePs>> fakes;
  std::unique_ptr<PsClient> client;  // ends first
};

std::vector<Key> SpreadKeys(size_t count) {
  std::vector<Key> keys;
  for (size_t i = 0; i < count; ++i) {
    keys.push_back(SplitMix64(i));
  }
  return keys;
}

TEST_CASE("what servers answer is put together in the order of the batch", "[worker]") {
  const size_t servers = GENERATE(1U, 3U);
  Client client(servers);
  const std::vector<Key> keys = SpreadKeys(40);
  const auto step = client.MakeStep(keys);
  REQUIRE(client.Pull(step).ok());
  for (size_t i = 0; i < keys.size(); ++i) {
    for (size_t column = 0; column < 5; ++column) {
      CHECK(step->embeddings[0][i * 5 + column] == FakePs::RowValue(keys[i], column));
    }
  }
  CHECK(step->dense[0] == std::vector<float>{0.5F});
}

TEST_CASE("a push brings each server its keys and their gradients", "[worker]") {
  Client client(3);
  const std::vector<Key> keys = SpreadKeys(40);
  const auto step = client.MakeStep(keys);
  REQUIRE(client.Pull(step).ok());
  step->embedding_gradients = step->embeddings;
  step->dense_gradients = {{0.25F}};
  REQUIRE(client.Push(step).ok());
  const PartitionMap partitions(kDefaultPartitionCount, 3);
  for (uint32_t server = 0; server < 3; ++server) {
    const std::vector<FakePs::Seen> seen = client.fakes[server]->seen().Get();
    const FakePs::Seen& push = seen.back();
    std::vector<Key> own;
    std::vector<float> floats;
    for (const Key key : keys) {
      if (partitions.ServerOfKey(key) == server) {
        own.push_back(key);
        for (size_t column = 0; column < 5; ++column) {
          floats.push_back(FakePs::RowValue(key, column));
        }
      }
    }
    if (partitions.ServerOfDense(0) == server) {
      floats.push_back(0.25F);
    }
    CHECK(push.keys == own);
    CHECK(push.floats == floats);
    proto::PushRequest head;
    REQUIRE(head.ParseFromString(push.head));
    CHECK(head.epoch() == 3);
    CHECK(head.worker() == 1);
    CHECK(head.sequence() == 4);
    CHECK(head.step() == 4);
    CHECK(head.stream_step() == 104);
    CHECK_FALSE(head.counts());
    CHECK(head.event_time_ms() == 77);
    CHECK_FALSE(head.last());
  }
}

// What a push has for a key: key, slot, its gradients' first, shows, clicks.
using Entry = std::tuple<Key, uint32_t, float, float, float>;

// What a server has seen of a push, by the runs that its head tells of.
void Collect(const FakePs::Seen& push, size_t dim, std::vector<Entry>* entries) {
  size_t i = 0;
  for (const proto::KeyRun& run : push.runs) {
    for (const size_t end = i + run.keys(); i < end; ++i) {
      const KeyCount count = push.counts.empty() ? KeyCount{} : push.counts[i];
      entries->emplace_back(
          push.keys[i], run.slot(), push.floats[i * dim], count.shows, count.clicks);
    }
  }
  CHECK(i == push.keys.size());
}

// Samples with features that come often, twice in a sample, or never again.
std::vector<Sample> RandomSamples(std::mt19937_64& random) {
  std::vector<Sample> samples(random() % 30);
  for (Sample& sample : samples) {
    sample.label = random() % 3 == 0 ? 1.0F : 0.0F;
    sample.weight = static_cast<float>(random() % 4);
    const size_t features = random() % 10;
    for (size_t i = 0; i < features; ++i) {
      const auto slot = static_cast<uint16_t>(random() % 6);
      sample.features.push_back({.key = SplitMix64(random() % 40 * 6 + slot), .slot = slot});
    }
  }
  return samples;
}

TEST_CASE("servers are pushed every key of a batch with its slot, gradient and count", "[worker]") {
  const size_t servers = GENERATE(1U, 2U, 4U);
  const KeyDetails details = GENERATE(KeyDetails{},
                                      KeyDetails{.counts = true},
                                      KeyDetails{.slots = true},
                                      KeyDetails{.counts = true, .slots = true});
  constexpr size_t kDim = 5;
  Client client(servers);
  std::mt19937_64 random(servers);
  for (int round = 0; round < 20; ++round) {
    const std::vector<Sample> samples = RandomSamples(random);
    BatchBuilder builder(1, details);
    std::map<Key, std::pair<uint32_t, KeyCount>> expected;
    for (const Sample& sample : samples) {
      builder.Add(sample, 0, 0);
      std::map<Key, uint16_t> features;
      for (const Feature& feature : sample.features) {
        features[feature.key] = feature.slot;
      }
      for (const auto& [key, slot] : features) {
        auto& [slot_of, count] =
            expected.try_emplace(key, 0U, KeyCount{.shows = 0.0F}).first->second;
        slot_of = details.slots ? slot : 0;
        count.shows += 1.0F;
        count.clicks += sample.label;
      }
    }
    auto step = std::make_shared<Step>();
    step->number = static_cast<uint64_t>(round) + 1;
    step->batch = builder.Take();
    REQUIRE(client.Pull(step).ok());
    for (size_t i = 0; i < step->batch.inputs[0].keys.size(); ++i) {
      const Key key = step->batch.inputs[0].keys[i];
      REQUIRE(step->embeddings[0][i * kDim + 3] == FakePs::RowValue(key, 3));
    }
    step->embedding_gradients = step->embeddings;
    step->dense_gradients = step->dense;
    REQUIRE(client.Push(step).ok());

    std::vector<Entry> wanted;
    for (const auto& [key, of_key] : expected) {
      const KeyCount count = details.counts ? of_key.second : KeyCount{};
      wanted.emplace_back(key, of_key.first, FakePs::RowValue(key, 0), count.shows, count.clicks);
    }
    std::vector<Entry> got;
    for (const auto& fake : client.fakes) {
      const FakePs::Seen push = fake->seen().Get().back();
      REQUIRE(push.sequence == step->number);
      CHECK(push.counts.size() == (details.counts ? push.keys.size() : 0));
      CHECK((details.slots || push.runs.size() <= 1));
      Collect(push, kDim, &got);
    }
    std::sort(got.begin(), got.end());
    std::sort(wanted.begin(), wanted.end());
    CHECK(got == wanted);
  }
}

TEST_CASE("an announcement brings each server its keys, and a server that fails none of it",
          "[worker]") {
  const bool fails = GENERATE(false, true);
  Client client(3, [fails](rpc::Method, size_t) -> StatusOr<FakePs::Reaction> {
    return fails ? StatusOr<FakePs::Reaction>(Unavailable("never")) : FakePs::Reaction::kCarryOut;
  });
  const std::vector<Key> keys = SpreadKeys(40);
  client.client->Announce(client.MakeStep(keys)->batch);
  const PartitionMap partitions(kDefaultPartitionCount, 3);
  for (uint32_t server = 0; server < 3 && !fails; ++server) {
    const auto seen =
        client.fakes[server]->seen().Await([](const auto& all) { return !all.empty(); });
    std::vector<Key> own;
    std::copy_if(keys.begin(), keys.end(), std::back_inserter(own), [&](Key key) {
      return partitions.ServerOfKey(key) == server;
    });
    CHECK(seen[0].method == rpc::Method::kAnnounce);
    CHECK(seen[0].keys == own);
    proto::AnnounceRequest head;
    REQUIRE(head.ParseFromString(seen[0].head));
    CHECK(head.epoch() == 3);
    CHECK(head.worker() == 1);
  }
  client.client->Close();
  CHECK(client.metrics.rpc_retries.Value() == 0);
}

TEST_CASE("every server hears of a push, also with nothing for it", "[worker]") {
  Client client(3);
  const auto step = client.MakeStep({});
  step->last = true;
  REQUIRE(client.Push(step).ok());
  for (const auto& fake : client.fakes) {
    CHECK(fake->AwaitPushes(1).size() == 1);
  }
}

TEST_CASE("a call is made again until it gets through, with the same sequence", "[worker]") {
  const FakePs::Hook hook = [](rpc::Method method, size_t before) -> StatusOr<FakePs::Reaction> {
    if (method == rpc::Method::kPush && before == 0) {
      return FakePs::Reaction::kCarryOutSilently;
    }
    if (before < 2) {
      return Unavailable("not now");
    }
    return FakePs::Reaction::kCarryOut;
  };
  Client client(2, hook);
  const auto step = client.MakeStep(SpreadKeys(20));
  CHECK(Client::Wait([&](PsClient::Done done) { client.client->Declare(std::move(done)); }).ok());
  REQUIRE(client.Pull(step).ok());
  step->embedding_gradients = step->embeddings;
  step->dense_gradients = step->dense;
  REQUIRE(client.Push(step).ok());
  for (const auto& fake : client.fakes) {
    std::vector<FakePs::Seen> seen = fake->seen().Get();
    std::erase_if(seen, [](const auto& one) { return one.method != rpc::Method::kPush; });
    REQUIRE(seen.size() == 2);
    CHECK(seen[0].sequence == seen[1].sequence);
    CHECK(seen[0].keys == seen[1].keys);
    CHECK(seen[0].floats == seen[1].floats);
  }
  CHECK(client.metrics.rpc_retries.Value() == 2 * 2 * 3);
}

TEST_CASE("an error that would not pass is told, with its server", "[worker]") {
  Client client(2, [](rpc::Method, size_t) -> StatusOr<FakePs::Reaction> {
    return Aborted("epoch 9 has begun");
  });
  const Status status = client.Pull(client.MakeStep(SpreadKeys(20)));
  CHECK(absl::IsAborted(status));
  CHECK_THAT(MessageOf(status),
             Catch::Contains("pull of step 4 from ps-") && Catch::Contains("epoch 9"));
  CHECK(client.metrics.rpc_retries.Value() == 0);
}

TEST_CASE("closing ends calls that are under way or wait for their next try", "[worker]") {
  const bool answers = GENERATE(true, false);
  Client client(2, [answers](rpc::Method, size_t) -> StatusOr<FakePs::Reaction> {
    if (answers) {
      return Unavailable("never");
    }
    return FakePs::Reaction::kIgnore;
  });
  const auto step = client.MakeStep(SpreadKeys(20));
  auto promise = std::make_shared<std::promise<Status>>();
  client.client->Pull(step, [promise](const Status& status) { promise->set_value(status); });
  client.client->Close();
  CHECK(absl::IsCancelled(promise->get_future().get()));
}

}  // namespace
}  // namespace freshet::worker
