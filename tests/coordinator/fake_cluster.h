#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "common/version_log/version_log.h"
#include "coordinator/coordinator.h"
#include "tests/common/cluster/temp_folder.h"
#include "tests/coordinator/fakes.h"

namespace freshet::coordinator {

// A coordinator over in-process rpc and a real log, with fake members. Cuts are made when asked for
// only, unless a test sets cut_every.
class FakeCluster {
 public:
  static constexpr char kAddress[] = "coordinator:1";

  explicit FakeCluster(uint32_t servers = 2, uint32_t workers = 2, uint32_t serving = 0);
  ~FakeCluster();

  Options options;  // for the next StartCoordinator

  void StartCoordinator();

  // As SIGTERM does.
  void StopCoordinator() { coordinator.reset(); }

  void StartPs(uint32_t rank);
  void StartWorker(uint32_t rank);
  void StartServing(uint32_t rank);
  void StartMembers();
  // All of it, and waits until it trains.
  void StartAll();

  // Waits until the status is as asked for.
  proto::StatusResponse Await(const std::function<bool(const proto::StatusResponse&)>& wanted);
  proto::StatusResponse AwaitPhase(proto::StatusResponse::Phase phase);
  // Training in an epoch after this one.
  proto::StatusResponse AwaitTrainingAfter(uint64_t epoch);

  // One batch of each worker, which counts `samples` at a key of each server.
  void Train(uint64_t samples);
  // What all servers count, and what all workers have read: equal in each whole version.
  uint64_t Counted() const;
  uint64_t Read() const;

  StatusOr<uint64_t> CutNow();
  StatusOr<uint64_t> Rollback(uint64_t version);
  StatusOr<proto::ForgetResponse> Forget(const std::string& variable, const std::vector<Key>& keys);
  StatusOr<proto::ShrinkResponse> Shrink(bool dry_run);
  StatusOr<proto::ExplainKeyResponse> Explain(const std::string& variable, Key key);

  // Flips a byte of a part file of the version.
  void Damage(uint64_t version);
  proto::Manifest ManifestOf(uint64_t version) const;
  // Until the deltas of the version have been rolled up into a base, which the coordinator knows.
  void AwaitCompacted(uint64_t version);
  std::vector<uint64_t> Versions() const;
  VersionLog log() const;

  TempFolder folder;
  std::unique_ptr<rpc::Transport> transport = rpc::MakeInProcessTransport();
  Env env{SystemClock(), SystemRandom(), LocalFileSystem(), *transport};
  Journal journal;
  std::unique_ptr<Coordinator> coordinator;
  std::vector<std::unique_ptr<FakePs>> ps;
  std::vector<std::unique_ptr<FakeWorker>> workers;
  std::vector<std::unique_ptr<FakeServing>> serving;

 private:
  template <typename Response, typename Request>
  StatusOr<Response> Ask(rpc::Method method, const Request& request, Buffer body = {});
};

// A model of kind ledger.
proto::ModelSpec LedgerModel();

}  // namespace freshet::coordinator
