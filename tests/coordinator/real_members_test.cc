// The coordinator with the real servers and workers, over TCP, in one process: nothing is lost or
// counted twice.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "common/check.h"
#include "common/cluster/cluster_config.h"
#include "common/process/process.h"
#include "common/rpc/typed.h"
#include "common/version_log/version_log.h"
#include "coordinator/role.h"
#include "proto/control.pb.h"
#include "ps/role.h"
#include "tests/common/cluster/temp_folder.h"
#include "worker/role.h"

namespace freshet::coordinator {
namespace {

constexpr std::chrono::seconds kPatience{60};

class RealCluster {
 public:
  RealCluster(const std::string& consistency, const std::string& cut_every) {
    Write("cluster.yaml",
          "cluster: {run_dir: run, log_dir: log, partitions: 16}\n"
          "coordinator: {cut_every: " +
              cut_every +
              ", base_every: 5, member_timeout: 20s}\n"
              "ps: {count: 2}\n"
              "worker: {count: 2, job: job.yaml}\n");
    Write("job.yaml",
          "stream: {path: stream, suffix: .csv, follow: true}\n"
          "format:\n"
          "  kind: delimited\n"
          "  columns: [user, item, label]\n"
          "  label: {column: label}\n"
          "slots:\n"
          "  - {name: user}\n"
          "  - {name: item, side: item}\n"
          "model: {kind: ledger}\n"
          "training: {batch_size: 16, consistency: " +
              consistency + "}\n");
    REQUIRE(env_.files.CreateDirectories(folder_.path() + "/stream").ok());
    auto config = LoadClusterConfig(env_.files, folder_.path() + "/cluster.yaml");
    INFO(config.status().ToString());
    REQUIRE(config.ok());
    config_ = *std::move(config);
    coordinator_ = Start("coordinator", 0, StartCoordinator);
    for (uint32_t rank = 0; rank < 2; ++rank) {
      StartPs(rank);
      workers_[rank] = Start("worker", rank, worker::StartWorker);
    }
  }

  ~RealCluster() { coordinator_.reset(); }

  void StartPs(uint32_t rank) {
    ps_[rank].reset();
    ps_[rank] = Start("ps", rank, ps::StartPs);
  }

  // Appends so many samples to each of four partitions.
  void Append(int samples) {
    for (int partition = 0; partition < 4; ++partition) {
      std::ofstream file(folder_.path() + "/stream/part-" + std::to_string(partition) + ".csv",
                         std::ios::app);
      for (int i = 0; i < samples; ++i) {
        file << 'u' << i % 37 << ",i" << i % 11 << ',' << i % 2 << '\n';
      }
    }
  }

  void EndStream() { Write("stream/_SUCCESS", ""); }

  template <typename Response, typename Request>
  StatusOr<Response> Ask(rpc::Method method, const Request& request) {
    const auto channel = transport_->Connect(coordinator_->rpc_address());
    return rpc::CallAndWait<Response>(*channel, method, request, kPatience);
  }

  proto::StatusResponse Await(const std::function<bool(const proto::StatusResponse&)>& wanted) {
    const auto end = env_.clock.Monotonic() + kPatience;
    while (true) {
      const auto status = Ask<proto::StatusResponse>(rpc::Method::kStatus, proto::StatusRequest());
      if (status.ok() && wanted(*status)) {
        return *status;
      }
      FRESHET_CHECK(env_.clock.Monotonic() < end);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  proto::StatusResponse AwaitFinished() {
    return Await([](const auto& s) { return s.phase() == proto::StatusResponse::FINISHED; });
  }

  // Counts of all keys in a version: two for each sample, one for its user and one for its item.
  uint64_t Counted(uint64_t version) {
    const VersionLog log(env_.files, config_.log_dir);
    std::map<Key, uint64_t> counts;
    const Status status = ForEachPart(
        env_.files,
        log,
        VersionId(version),
        PartColumns::kAll,
        [&](const proto::Manifest&, const PartContents& contents) {
          for (const EmbeddingRows& rows : contents.embeddings) {
            for (size_t i = 0; i < rows.keys.size(); ++i) {
              std::memcpy(&counts[rows.keys[i]], &rows.values[i * rows.dim], sizeof(uint64_t));
            }
          }
          return absl::OkStatus();
        });
    REQUIRE(status.ok());
    uint64_t sum = 0;
    for (const auto& [key, count] : counts) {
      sum += count;
    }
    return sum;
  }

  proto::Manifest ManifestOf(uint64_t version) {
    return VersionLog(env_.files, config_.log_dir).ReadManifest(VersionId(version)).value();
  }

 private:
  void Write(const std::string& name, const std::string& content) {
    REQUIRE(WriteFileAtomically(env_.files, folder_.path() + "/" + name, content).ok());
  }

  std::unique_ptr<RunningRole> Start(const std::string& role,
                                     uint32_t rank,
                                     const StartRole& start) {
    contexts_.emplace_back(new RoleContext{config_, rank, env_, "test"});
    auto running = start(*contexts_.back());
    INFO(role << ": " << running.status().ToString());
    REQUIRE(running.ok());
    const std::string name = role == "coordinator" ? role : role + "-" + std::to_string(rank);
    REQUIRE(WriteProcessAddress(env_.files,
                                config_.run_dir,
                                name,
                                {.rpc = (*running)->rpc_address(),
                                 .http = (*running)->http_address(),
                                 .pid = 1,
                                 .build = "test"})
                .ok());
    return *std::move(running);
  }

  TempFolder folder_;
  std::unique_ptr<rpc::Transport> transport_ = rpc::MakeTcpTransport();
  Env env_{SystemClock(), SystemRandom(), LocalFileSystem(), *transport_};
  ClusterConfig config_;
  std::vector<std::unique_ptr<RoleContext>> contexts_;  // borrowed by the roles
  std::unique_ptr<RunningRole> ps_[2];
  std::unique_ptr<RunningRole> workers_[2];
  std::unique_ptr<RunningRole> coordinator_;
};

TEST_CASE("a stream is trained to its end, each sample once, in asp and in bsp", "[coordinator]") {
  for (const std::string consistency : {"asp", "bsp"}) {
    CAPTURE(consistency);
    RealCluster cluster(consistency, "20ms");
    cluster.Append(1000);
    cluster.EndStream();
    const auto finished = cluster.AwaitFinished();
    CHECK(finished.rewinds() == 0);
    CHECK(finished.failed_cuts() == 0);
    CHECK(cluster.Counted(finished.version()) == 8000);
    const proto::Manifest manifest = cluster.ManifestOf(finished.version());
    CHECK(manifest.metrics().total_samples() == 4000);
    for (uint64_t version = 1; version < finished.version(); ++version) {
      // Each version before is whole as well: rows and positions are of the same moment.
      uint64_t read = 0;
      const proto::Manifest earlier = cluster.ManifestOf(version);
      for (const proto::WorkerState& state : earlier.workers()) {
        for (const proto::StreamPosition& position : state.positions()) {
          read += position.samples();
        }
      }
      CHECK(cluster.Counted(version) == 2 * read);
    }
  }
}

TEST_CASE("a server that dies and a rollback change nothing in what is counted", "[coordinator]") {
  RealCluster cluster("asp", "20ms");
  cluster.Append(500);
  const uint64_t before =
      cluster.Await([](const auto& status) { return status.version() >= 1; }).version();
  cluster.Await([](const auto& status) { return status.samples() == 2000; });
  cluster.StartPs(1);
  cluster.Append(300);
  cluster.Await([](const auto& s) { return s.rewinds() >= 1 && s.samples() == 3200; });

  proto::RollbackRequest rollback;
  rollback.set_version(before);
  const auto rolled_back = cluster.Ask<proto::RollbackResponse>(rpc::Method::kRollback, rollback);
  INFO(rolled_back.status().ToString());
  REQUIRE(rolled_back.ok());
  CHECK(cluster.Counted(rolled_back->version()) == cluster.Counted(before));

  cluster.Append(200);
  cluster.EndStream();
  const auto finished = cluster.AwaitFinished();
  CHECK(finished.rewinds() >= 2);
  CHECK(cluster.Counted(finished.version()) == 8000);
}

}  // namespace
}  // namespace freshet::coordinator
