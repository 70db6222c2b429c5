#include <algorithm>
#include <catch2/catch.hpp>
#include <future>
#include <random>
#include <thread>
#include <vector>

#include "common/check.h"
#include "tests/ps/cluster.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using test::Batch;
using test::Cluster;
using test::KeyOf;
using test::Run;
using test::Sender;

// An answer to come.
std::future<StatusOr<rpc::Message>> CallAsync(test::Client& client,
                                              rpc::Method method,
                                              rpc::Message message) {
  std::promise<StatusOr<rpc::Message>> promise;
  std::future<StatusOr<rpc::Message>> answer = promise.get_future();
  client.channel().Call(method,
                        std::move(message),
                        std::chrono::seconds(60),
                        [promise = std::move(promise)](StatusOr<rpc::Message> result) mutable {
                          promise.set_value(std::move(result));
                        });
  return answer;
}

std::future<StatusOr<rpc::Message>> PushAsync(test::Client& client,
                                              const Sender& sender,
                                              const Batch& batch) {
  return CallAsync(client, rpc::Method::kPush, test::PushMessage(sender, batch));
}

Batch One(Key key, float gradient) {
  return {.runs = {Run{.keys = {key}, .gradients = {gradient, gradient, gradient}}}};
}

// A worker that takes 20 + 5 * rank steps, whose gradients follow from what it pulled: the order
// in which pushes are applied shows in every bit.
class Worker {
 public:
  Worker(Cluster& cluster, uint32_t rank, uint64_t disorder)
      : cluster_(cluster), rank_(rank), batches_(rank), disorder_(disorder * 100 + rank) {
    for (uint32_t server = 0; server < cluster.shape().servers; ++server) {
      clients_.emplace_back(cluster.transport(), cluster.address(server));
    }
  }

  void Train() {
    const uint64_t steps = 20 + 5 * rank_;
    for (uint64_t step = 1; step <= steps; ++step) {
      const std::vector<Key> keys = SomeKeys();
      for (uint32_t server = 0; server < clients_.size(); ++server) {
        Step(server, step, step == steps, keys);
      }
    }
  }

 private:
  std::vector<Key> SomeKeys() {
    std::vector<Key> keys;
    for (uint64_t i = 0; i < 60; ++i) {
      if (batches_() % 3 == 0) {
        keys.push_back(KeyOf(i));
      }
    }
    return keys;
  }

  void Step(uint32_t server, uint64_t step, bool last, const std::vector<Key>& keys) {
    Batch batch{.runs = {Run{}}, .dense = {server}};
    std::copy_if(keys.begin(), keys.end(), std::back_inserter(batch.runs[0].keys), [&](Key key) {
      return cluster_.ServerOf(key) == server;
    });
    const Sender sender{.worker = rank_, .sequence = step, .step = step, .last = last};
    Dawdle();
    const auto pulled = clients_[server].Pull(sender, batch);
    FRESHET_CHECK(pulled.ok());
    const size_t floats = batch.runs[0].keys.size() * 3;
    for (size_t i = 0; i < pulled->size(); ++i) {
      const float gradient = 0.3F * (*pulled)[i] - 0.1F * static_cast<float>(rank_ + 1);
      (i < floats ? batch.runs[0].gradients : batch.dense_gradients).push_back(gradient);
    }
    Dawdle();
    std::vector<std::future<StatusOr<rpc::Message>>> answers;
    for (uint64_t copies = 1 + disorder_() % 2; copies > 0; --copies) {
      answers.push_back(PushAsync(clients_[server], sender, batch));
    }
    held_.insert(held_.end(),
                 std::make_move_iterator(answers.begin()),
                 std::make_move_iterator(answers.end()));
    // Sometimes goes on before the push is acknowledged.
    if (held_.size() > 8 || last) {
      for (auto& answer : held_) {
        FRESHET_CHECK(answer.get().ok());
      }
      held_.clear();
    }
  }

  void Dawdle() {
    for (uint64_t i = disorder_() % 50; i > 0; --i) {
      std::this_thread::yield();
    }
  }

  Cluster& cluster_;
  const uint32_t rank_;
  std::mt19937_64 batches_;   // what it trains on: the same in each run
  std::mt19937_64 disorder_;  // when: another one in each run
  std::vector<test::Client> clients_;
  std::vector<std::future<StatusOr<rpc::Message>>> held_;
};

// The base that a training of three workers ends in.
test::VersionContents Train(uint32_t owner_threads, uint64_t disorder, std::string* bytes) {
  Cluster cluster({.servers = 2, .owner_threads = owner_threads, .workers = 3, .bsp = true});
  cluster.Restore(1, 0);
  cluster.Declare(1, test::SmallModel());
  std::vector<std::thread> threads;
  for (uint32_t rank = 0; rank < 3; ++rank) {
    threads.emplace_back([&cluster, rank, disorder] { Worker(cluster, rank, disorder).Train(); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  cluster.CutVersion(1, 1, test::SmallModel(), true);
  const auto manifest = cluster.log().ReadManifest(VersionId(1));
  REQUIRE(manifest.ok());
  for (const proto::PartFile& part : manifest->parts()) {
    const auto content = ReadFile(LocalFileSystem(),
                                  cluster.log().VersionDirectory(VersionId(1)) + "/" + part.name());
    REQUIRE(content.ok());
    *bytes += *content;
  }
  return cluster.Read(1);
}

TEST_CASE("bsp gives the same bytes whenever pushes arrive", "[ps]") {
  std::string first_bytes;
  const test::VersionContents first = Train(2, 1, &first_bytes);
  CHECK(first.rows.size() == 60);
  std::string second_bytes;
  Train(2, 2, &second_bytes);
  CHECK((first_bytes == second_bytes));
  std::string other_bytes;
  CHECK(Train(1, 3, &other_bytes) == first);  // other owner threads: other files, the same rows
}

TEST_CASE("a push that a server holds back is not in the version", "[ps]") {
  Cluster cluster({.workers = 2, .bsp = true});
  cluster.Restore(1, 0);
  cluster.Declare(1, test::SmallModel());
  test::Client& client = cluster.client();
  auto first = PushAsync(client, {.worker = 0, .sequence = 1, .step = 1}, One(1, 1.0F));
  REQUIRE(client.Push({.worker = 1, .sequence = 1, .step = 1}, One(2, 1.0F)).ok());
  REQUIRE(first.get().ok());
  auto held = PushAsync(client, {.worker = 0, .sequence = 2, .step = 2}, One(3, 1.0F));
  cluster.CutVersion(1, 1, test::SmallModel());
  CHECK(cluster.Read(1).rows.size() == 2);
  REQUIRE(client.Push({.worker = 1, .sequence = 2, .step = 2, .last = true}, One(4, 1.0F)).ok());
  REQUIRE(held.get().ok());
  cluster.CutVersion(1, 2, test::SmallModel());
  CHECK(cluster.Read(2).rows.size() == 4);
}

TEST_CASE("a worker without samples says so once and is not waited for", "[ps]") {
  Cluster cluster({.workers = 2, .bsp = true});
  cluster.Restore(1, 0);
  test::Client& client = cluster.client();
  const Sender nothing{.worker = 1, .sequence = 1, .step = 1, .last = true};
  REQUIRE(client.Push(nothing, {}).ok());  // before anybody has declared the model
  cluster.Declare(1, test::SmallModel());
  for (uint64_t step = 1; step <= 3; ++step) {
    REQUIRE(client.Pull({.worker = 0, .step = step}, {.runs = {Run{.keys = {1}}}}).ok());
    REQUIRE(client.Push({.worker = 0, .sequence = step, .step = step}, One(1, 1.0F)).ok());
  }
  CHECK(client.Push(nothing, {}).ok());  // again
}

TEST_CASE("whoever waits is told when the epoch ends", "[ps]") {
  Cluster cluster({.workers = 2, .bsp = true});
  cluster.Restore(1, 0);
  cluster.Declare(1, test::SmallModel());
  test::Client& client = cluster.client();
  const Sender second{.worker = 0, .sequence = 2, .step = 2};
  auto push = PushAsync(client, {.worker = 0, .sequence = 1, .step = 1}, One(1, 1.0F));
  auto repeated = PushAsync(client, {.worker = 0, .sequence = 1, .step = 1}, One(1, 1.0F));
  auto pull = CallAsync(client, rpc::Method::kPull, test::PullMessage(second, {}));
  cluster.Restore(2, 0);
  for (auto* answer : {&push, &repeated, &pull}) {
    const Status status = answer->get().status();
    CHECK(absl::IsAborted(status));
    CHECK(MessageOf(status) == "epoch 1 is over, 2 began");
  }
  CHECK(cluster.server().rows() == 0);
}

TEST_CASE("a server stops while pushes and pulls wait", "[ps]") {
  std::future<StatusOr<rpc::Message>> push;
  std::future<StatusOr<rpc::Message>> pull;
  {
    Cluster cluster({.owner_threads = 2, .workers = 2, .bsp = true});
    cluster.Restore(1, 0);
    cluster.Declare(1, test::SmallModel());
    test::Client& client = cluster.client();
    push = PushAsync(client, {.worker = 0, .sequence = 1, .step = 1}, One(1, 1.0F));
    pull = CallAsync(client, rpc::Method::kPull, test::PullMessage({.worker = 0, .step = 2}, {}));
  }
  CHECK_FALSE(push.get().ok());
  CHECK_FALSE(pull.get().ok());
}

TEST_CASE("a push of a step that is over is refused", "[ps]") {
  Cluster cluster({.workers = 1, .bsp = true});
  cluster.Restore(1, 0);
  cluster.Declare(1, test::SmallModel());
  REQUIRE(cluster.client().Push({.sequence = 1, .step = 1}, One(1, 1.0F)).ok());
  const Status status = cluster.client().Push({.sequence = 2, .step = 1}, One(1, 1.0F));
  CHECK(absl::IsInvalidArgument(status));
  CHECK(MessageOf(status) == "step 1 of worker 0: step 1 has been applied already");
}

}  // namespace
}  // namespace freshet::ps
