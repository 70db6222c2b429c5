#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <latch>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "common/cluster/limits.h"
#include "tests/ps/cluster.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using test::Batch;
using test::Cluster;
using test::KeyOf;
using test::Run;

constexpr uint32_t kLedger = 1;  // in SmallModel
constexpr int kKeys = 300;

using Sums = std::map<Key, std::array<uint64_t, 2>>;

std::vector<float> LedgerGradient(uint64_t id) {
  const std::array<uint64_t, 2> added = {1, id};
  std::vector<float> floats(4);
  std::memcpy(floats.data(), added.data(), sizeof(added));
  return floats;
}

// A worker whose network repeats, swaps and delays its pushes.
class UnrulyWorker {
 public:
  UnrulyWorker(Cluster& cluster, uint32_t worker)
      : cluster_(cluster), worker_(worker), random_(worker) {
    for (uint32_t server = 0; server < cluster.shape().servers; ++server) {
      channels_.push_back(cluster.transport().Connect(cluster.address(server)));
    }
  }

  void Run(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      PushSome(1 + random_() % kMaxPushesInFlight);
    }
  }

  const Sums& sums() const { return sums_; }

  int failed() const { return failed_; }

 private:
  struct Sending {
    uint32_t server = 0;
    test::Sender sender;
    Batch batch;
  };

  void PushSome(uint64_t count) {
    std::vector<Sending> sendings;
    for (uint64_t i = 0; i < count; ++i) {
      ++sequence_;
      std::vector<Batch> batches = MakeBatches();
      for (uint32_t server = 0; server < batches.size(); ++server) {
        const Sending sending{server, {.worker = worker_, .sequence = sequence_}, batches[server]};
        sendings.insert(sendings.end(), 1 + random_() % 3, sending);
        old_.push_back(sending);
      }
    }
    for (uint64_t i = 0; i < count; ++i) {  // something old comes late
      sendings.push_back(old_[random_() % old_.size()]);
    }
    std::shuffle(sendings.begin(), sendings.end(), random_);
    SendAll(sendings);
  }

  // One push per server: some keys of this worker and of all others.
  std::vector<Batch> MakeBatches() {
    std::vector<Batch> batches(channels_.size(), Batch{.runs = {test::Run{.variable = kLedger}}});
    for (int i = 0; i < kKeys; ++i) {
      if (random_() % 16 != 0) {
        continue;
      }
      const Key key = KeyOf(static_cast<uint64_t>(i));
      const uint64_t id = random_();
      test::Run& run = batches[cluster_.ServerOf(key)].runs[0];
      run.keys.push_back(key);
      const std::vector<float> gradient = LedgerGradient(id);
      run.gradients.insert(run.gradients.end(), gradient.begin(), gradient.end());
      sums_[key][0] += 1;
      sums_[key][1] += id;
    }
    return batches;
  }

  void SendAll(const std::vector<Sending>& sendings) {
    std::latch answered(static_cast<std::ptrdiff_t>(sendings.size()));
    std::atomic<int> failed = 0;
    for (const Sending& sending : sendings) {
      channels_[sending.server]->Call(rpc::Method::kPush,
                                      test::PushMessage(sending.sender, sending.batch),
                                      std::chrono::seconds(60),
                                      [&](const StatusOr<rpc::Message>& answer) {
                                        failed += answer.ok() ? 0 : 1;
                                        answered.count_down();
                                      });
    }
    answered.wait();
    failed_ += failed;
  }

  Cluster& cluster_;
  const uint32_t worker_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<rpc::Channel>> channels_;
  uint64_t sequence_ = 0;
  std::vector<Sending> old_;
  Sums sums_;
  int failed_ = 0;
};

Sums LedgerOf(Cluster& cluster, uint64_t epoch) {
  std::vector<Key> keys;
  for (uint64_t i = 0; i < kKeys; ++i) {
    keys.push_back(KeyOf(i));
  }
  const std::vector<float> floats = cluster.PullAll(epoch, kLedger, 4, keys);
  Sums sums;
  for (size_t i = 0; i < keys.size(); ++i) {
    std::memcpy(sums[keys[i]].data(), &floats[i * 4], 4 * sizeof(float));
  }
  return sums;
}

TEST_CASE("each push counts once, however often, late and out of order it comes", "[ps]") {
  Cluster cluster({.servers = 2, .owner_threads = 2, .workers = 3});
  cluster.Restore(1, 0);
  cluster.Declare(1, test::SmallModel());
  std::vector<std::unique_ptr<UnrulyWorker>> workers;
  std::vector<std::thread> threads;
  for (uint32_t worker = 0; worker < 3; ++worker) {
    workers.push_back(std::make_unique<UnrulyWorker>(cluster, worker));
    threads.emplace_back([&worker = *workers.back()] { worker.Run(12); });
  }
  // Cuts go on meanwhile: what they hold must be whole as well.
  for (uint64_t version = 1; version <= 3; ++version) {
    cluster.CutVersion(1, version, test::SmallModel(), version == 2);
  }
  Sums expected;
  for (size_t i = 0; i < threads.size(); ++i) {
    threads[i].join();
    CHECK(workers[i]->failed() == 0);
    for (const auto& [key, sums] : workers[i]->sums()) {
      expected[key][0] += sums[0];
      expected[key][1] += sums[1];
    }
  }
  CHECK(LedgerOf(cluster, 1) == expected);
  cluster.CutVersion(1, 4, test::SmallModel());
  cluster.Restore(2, 4);
  CHECK(LedgerOf(cluster, 2) == expected);
}

TEST_CASE("a push of the epoch before does not touch the rows of the new one", "[ps]") {
  Cluster cluster({.owner_threads = 2});
  const Key key = KeyOf(1);
  for (uint64_t epoch = 1; epoch <= 20; ++epoch) {
    cluster.Restore(epoch, 0);
    cluster.Declare(epoch, test::SmallModel());
    const Batch batch = {
        .runs = {Run{.variable = kLedger, .keys = {key}, .gradients = LedgerGradient(epoch)}}};
    // These are in flight while the next epoch begins.
    constexpr int kPushes = 20;
    std::latch answered(kPushes);
    std::mutex mutex;
    std::vector<Status> refused;
    for (uint64_t sequence = 1; sequence <= kPushes; ++sequence) {
      cluster.client().channel().Call(
          rpc::Method::kPush,
          test::PushMessage({.epoch = epoch, .sequence = sequence}, batch),
          std::chrono::seconds(60),
          [&](const StatusOr<rpc::Message>& answer) {
            if (!answer.ok()) {
              const std::lock_guard lock(mutex);
              refused.push_back(answer.status());
            }
            answered.count_down();
          });
    }
    ++epoch;
    cluster.Restore(epoch, 0);
    answered.wait();
    CHECK(std::all_of(refused.begin(), refused.end(), absl::IsAborted));
    cluster.Declare(epoch, test::SmallModel());
    CHECK(LedgerOf(cluster, epoch)[key] == std::array<uint64_t, 2>{0, 0});
  }
}

}  // namespace
}  // namespace freshet::ps
