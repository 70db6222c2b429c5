#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/check.h"
#include "common/cluster/partition_map.h"
#include "common/model/ledger.h"
#include "common/rpc/typed.h"
#include "common/sample/feature_mapper.h"
#include "common/sample/sample_id.h"
#include "proto/ps.pb.h"
#include "ps/ps_server.h"
#include "tests/worker/fixture.h"
#include "worker/worker.h"

namespace freshet::worker::test {

// Real servers and workers of one job in this process; the test is the coordinator.
class Cluster {
 public:
  Cluster(JobConfig job, uint32_t servers, uint32_t workers, WorkerOptions options = {})
      : job_(std::move(job)) {
    for (uint32_t rank = 0; rank < servers; ++rank) {
      auto server = ps::PsServer::Start(
          {.listen = fmt::format("ps-{}", rank), .log_directory = log_.path(), .owner_threads = 2},
          env_.env);
      REQUIRE(server.ok());
      servers_.push_back(*std::move(server));
      server_channels_.push_back(env_.transport->Connect(servers_.back()->address()));
    }
    for (uint32_t rank = 0; rank < workers; ++rank) {
      registries_.push_back(std::make_unique<Metrics>());
      options.rank = rank;
      options.listen = fmt::format("worker-{}", rank);
      options.on_news = [this] { news_.Update([](uint64_t& count) { ++count; }); };
      auto worker = Worker::Start(env_.env, options, job_, *registries_.back());
      REQUIRE(worker.ok());
      workers_.push_back(*std::move(worker));
      worker_channels_.push_back(env_.transport->Connect(workers_.back()->address()));
    }
  }

  // A new epoch on empty servers.
  void Begin(uint64_t epoch, const std::vector<proto::WorkerState>& states = {}) {
    RestoreServers(epoch);
    for (uint32_t rank = 0; rank < workers_.size(); ++rank) {
      const auto started = StartSession(rank, epoch, states);
      INFO(MessageOf(started.status()));
      REQUIRE(started.ok());
    }
  }

  void RestoreServers(uint64_t epoch) {
    for (uint32_t rank = 0; rank < servers_.size(); ++rank) {
      proto::RestoreRequest restore;
      restore.set_epoch(epoch);
      restore.set_server(rank);
      restore.set_servers(static_cast<uint32_t>(servers_.size()));
      restore.set_workers(static_cast<uint32_t>(workers_.size()));
      restore.set_partition_count(kPartitions);
      restore.set_bsp(job_.training.consistency == Consistency::kBsp);
      restore.set_ssp(job_.training.consistency == Consistency::kSsp);
      restore.set_staleness(job_.training.staleness);
      const auto restored = rpc::CallAndWait<proto::RestoreResponse>(
          *server_channels_[rank], rpc::Method::kRestore, restore, kLong);
      INFO(MessageOf(restored.status()));
      REQUIRE(restored.ok());
    }
  }

  StatusOr<proto::StartSessionResponse> StartSession(
      uint32_t rank, uint64_t epoch, const std::vector<proto::WorkerState>& states = {}) {
    proto::StartSessionRequest request;
    request.set_epoch(epoch);
    request.set_worker(rank);
    request.set_workers(static_cast<uint32_t>(workers_.size()));
    request.set_partition_count(kPartitions);
    for (const auto& server : servers_) {
      request.add_servers(server->address());
    }
    for (const proto::WorkerState& state : states) {
      *request.add_states() = state;
    }
    return rpc::CallAndWait<proto::StartSessionResponse>(
        *worker_channels_[rank], rpc::Method::kStartSession, request, kLong);
  }

  StatusOr<proto::HoldResponse> Hold(uint32_t rank, uint64_t epoch) {
    proto::HoldRequest request;
    request.set_epoch(epoch);
    return rpc::CallAndWait<proto::HoldResponse>(
        *worker_channels_[rank], rpc::Method::kHold, request, kLong);
  }

  StatusOr<proto::PauseResponse> Pause(uint32_t rank, uint64_t epoch, uint64_t step) {
    proto::PauseRequest request;
    request.set_epoch(epoch);
    request.set_step(step);
    return rpc::CallAndWait<proto::PauseResponse>(
        *worker_channels_[rank], rpc::Method::kPause, request, kLong);
  }

  Status Resume(uint32_t rank, uint64_t epoch, bool window_taken) {
    proto::ResumeRequest request;
    request.set_epoch(epoch);
    request.set_window_taken(window_taken);
    return rpc::CallAndWait<proto::ResumeResponse>(
               *worker_channels_[rank], rpc::Method::kResume, request, kLong)
        .status();
  }

  // Hold, then Pause, as the coordinator does it.
  std::vector<proto::WorkerState> PauseAll(uint64_t epoch) {
    std::vector<proto::HoldResponse> holds;
    for (uint32_t rank = 0; rank < workers_.size(); ++rank) {
      const auto hold = Hold(rank, epoch);
      REQUIRE(hold.ok());
      holds.push_back(*hold);
    }
    uint64_t common = UINT64_MAX;
    for (const proto::HoldResponse& hold : holds) {
      common = hold.finished() ? common : std::min<uint64_t>(common, hold.step());
    }
    std::vector<proto::WorkerState> states;
    const bool bsp = job_.training.consistency == Consistency::kBsp;
    for (uint32_t rank = 0; rank < workers_.size(); ++rank) {
      const auto paused = Pause(rank, epoch, bsp ? common : holds[rank].step());
      INFO(MessageOf(paused.status()));
      REQUIRE(paused.ok());
      states.push_back(paused->state());
    }
    return states;
  }

  void ResumeAll(uint64_t epoch, bool window_taken) {
    for (uint32_t rank = 0; rank < workers_.size(); ++rank) {
      REQUIRE(Resume(rank, epoch, window_taken).ok());
    }
  }

  proto::MemberReport Report(uint32_t rank) const { return workers_[rank]->Report(); }

  // Waits until the report of the worker is as wished; workers tell news.
  template <typename Ready>
  proto::MemberReport AwaitReport(uint32_t rank, const Ready& ready) {
    news_.Await([&](uint64_t) { return ready(Report(rank)); });
    return Report(rank);
  }

  void AwaitFinished() {
    for (uint32_t rank = 0; rank < workers_.size(); ++rank) {
      const proto::MemberReport report = AwaitReport(
          rank, [](const proto::MemberReport& of) { return of.finished() || !of.error().empty(); });
      INFO(report.error());
      REQUIRE(report.finished());
    }
  }

  // The rows of these keys, and the dense variables, as the servers have them now. In asp.
  std::map<Key, std::vector<float>> Rows(const std::vector<Key>& keys, uint64_t epoch) {
    const PartitionMap partitions(kPartitions, static_cast<uint32_t>(servers_.size()));
    const size_t dim = job_.model.embedding_variables(0).dim();
    std::map<Key, std::vector<float>> rows;
    for (uint32_t rank = 0; rank < servers_.size(); ++rank) {
      std::vector<Key> own;
      std::copy_if(keys.begin(), keys.end(), std::back_inserter(own), [&](Key key) {
        return partitions.ServerOfKey(key) == rank;
      });
      proto::PullRequest pull;
      pull.set_epoch(epoch);
      proto::KeyRun* run = pull.add_runs();
      run->set_keys(static_cast<uint32_t>(own.size()));
      const auto answer = server_channels_[rank]->CallAndWait(
          rpc::Method::kPull,
          rpc::MakeMessage(pull, Buffer::CopyOf(std::as_bytes(std::span(own)))),
          kLong);
      INFO(MessageOf(answer.status()));
      REQUIRE(answer.ok());
      const auto values = answer->body.as<float>(0, own.size() * dim);
      for (size_t i = 0; i < own.size(); ++i) {
        rows[own[i]].assign(values.begin() + static_cast<ptrdiff_t>(i * dim),
                            values.begin() + static_cast<ptrdiff_t>((i + 1) * dim));
      }
    }
    return rows;
  }

  const JobConfig& job() const { return job_; }

  TestEnv& env() { return env_; }

  static constexpr uint32_t kPartitions = 64;

 private:
  const JobConfig job_;
  StreamDirectory log_;
  TestEnv env_;
  Watched<uint64_t> news_;
  std::vector<std::unique_ptr<Metrics>> registries_;
  std::vector<std::unique_ptr<ps::PsServer>> servers_;
  std::vector<std::unique_ptr<rpc::Channel>> server_channels_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<rpc::Channel>> worker_channels_;
};

// What a ledger must hold once `positions` are trained, counted from the files.
inline std::map<Key, LedgerEntry> ExpectedLedger(
    const JobConfig& job, const std::vector<proto::StreamPosition>& positions) {
  const auto stream = MakeFileStream(LocalFileSystem(), SystemClock(), job.stream);
  const auto mapper = FeatureMapper::Make(job.model);
  FRESHET_CHECK(mapper.ok());
  const auto parser = MakeSampleParser(job.format, *mapper);
  FRESHET_CHECK(parser.ok());
  std::map<Key, LedgerEntry> expected;
  for (const proto::StreamPosition& position : positions) {
    auto reader = stream->Open(position.partition(), 0);
    FRESHET_CHECK(reader.ok());
    Record record;
    Sample sample;
    while (record.end_offset < position.offset()) {
      FRESHET_CHECK(*(*reader)->Next(&record) == ReadResult::kRecord);
      if (!(*parser)->Parse(record.bytes, &sample).ok()) {
        continue;
      }
      for (const Feature& feature : sample.features) {
        ++expected[feature.key].count;
        expected[feature.key].id_sum += SampleId(position.partition(), record.end_offset);
      }
    }
  }
  return expected;
}

}  // namespace freshet::worker::test
