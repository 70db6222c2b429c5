// A base of another log, mixed into a model while it is restored.
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/ps/cluster.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using test::Batch;
using test::Cluster;
using test::KeyOf;
using test::Run;
using test::SmallModel;
using test::VersionContents;

constexpr uint32_t kDim = 3;
constexpr float kWeight = 0.25F;

// Trains the keys first ... last - 1, and commits version 1.
void Train(Cluster& cluster, uint64_t first, uint64_t last, uint64_t seed) {
  constexpr uint64_t kAtOnce = 20'000;
  std::mt19937_64 random(seed);
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  uint64_t sequence = 0;
  for (uint64_t begin = first; begin < last; begin += kAtOnce) {
    ++sequence;
    for (uint32_t server = 0; server < cluster.shape().servers; ++server) {
      Run run;
      for (uint64_t i = begin; i < std::min(begin + kAtOnce, last); ++i) {
        if (cluster.ServerOf(KeyOf(i)) == server) {
          run.keys.push_back(KeyOf(i));
          for (uint32_t d = 0; d < kDim; ++d) {
            run.gradients.push_back(static_cast<float>(random() % 2001) * 0.001F - 1.0F);
          }
        }
      }
      const Status status = cluster.client(server).Push({.sequence = sequence}, {.runs = {run}});
      INFO(status);
      REQUIRE(status.ok());
    }
  }
  cluster.CutVersion(1, 1, SmallModel(), true);
}

// The first kDim floats of a row are its value, the others its state.
void CheckMixed(const VersionContents& got,
                const VersionContents& own,
                const VersionContents& base) {
  for (const auto& [key, row] : got.rows) {
    const auto ours = own.rows.find(key);
    const auto theirs = base.rows.find(key);
    REQUIRE((ours != own.rows.end() || theirs != base.rows.end()));
    std::vector<float> expected = ours != own.rows.end() ? ours->second : theirs->second;
    if (ours != own.rows.end() && theirs != base.rows.end()) {
      for (uint32_t d = 0; d < kDim; ++d) {
        expected[d] = (1.0F - kWeight) * expected[d] + kWeight * theirs->second[d];
      }
    }
    REQUIRE(row == expected);
  }
}

}  // namespace

TEST_CASE("a base of other servers is mixed in, also with rows on disk", "[ps]") {
  const uint64_t dram_bytes = GENERATE(0U, 16U << 20U);
  const uint64_t step = dram_bytes == 0 ? 2'000 : 100'000;
  Cluster daily({.servers = 3});
  Train(daily, 0, 3 * step, 1);
  Cluster online({.servers = 1, .owner_threads = 2, .dram_bytes = dram_bytes});
  Train(online, step, 4 * step, 2);
  proto::RestoreRequest request = online.RestoreRequest(2, 1);
  request.set_base_log_dir(daily.log().directory());
  request.set_base_version(1);
  request.set_base_weight(kWeight);
  const auto restored = online.client().Restore(request);
  INFO(restored.status());
  REQUIRE(restored.ok());
  CHECK(*restored == 4 * step);
  online.CutVersion(2, 2, SmallModel(), true);
  const VersionContents own = online.Read(1);
  const VersionContents base = daily.Read(1);
  const VersionContents got = online.Read(2);
  CHECK(got.rows.size() == 4 * step);
  CheckMixed(got, own, base);
  for (const auto& [name, values] : got.dense) {
    CHECK(values.size() == own.dense.at(name).size());
    CHECK(values[0] == (1.0F - kWeight) * own.dense.at(name)[0] + kWeight * base.dense.at(name)[0]);
  }
}

TEST_CASE("a version of another log is restored in place of our own", "[ps]") {
  Cluster daily({.servers = 3});
  Train(daily, 0, 5'000, 1);
  Cluster online({.servers = 2});
  Train(online, 1'000, 2'000, 2);
  for (uint32_t server = 0; server < 2; ++server) {
    proto::RestoreRequest request = online.RestoreRequest(2, 1, server);
    request.set_log_dir(daily.log().directory());
    REQUIRE(online.client(server).Restore(request).ok());
  }
  online.CutVersion(2, 2, SmallModel(), true);
  CHECK(online.Read(2) == daily.Read(1));
}

TEST_CASE("a base that is not there, or a weight that is none, is an error", "[ps]") {
  Cluster online({});
  Train(online, 0, 100, 2);
  proto::RestoreRequest request = online.RestoreRequest(2, 1);
  request.set_base_log_dir("/nowhere");
  request.set_base_version(1);
  request.set_base_weight(2.0F);
  CHECK(absl::IsInvalidArgument(online.client().Restore(request).status()));
  request.set_base_weight(0.5F);
  const Status missing = online.client().Restore(request).status();
  CHECK_FALSE(missing.ok());
  CHECK_THAT(MessageOf(missing), Catch::Contains("/nowhere"));
  CHECK(online.Restore(3, 1) == 100);
}

}  // namespace freshet::ps
