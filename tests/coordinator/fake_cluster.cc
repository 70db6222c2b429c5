#include "tests/coordinator/fake_cluster.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "common/check.h"
#include "common/rpc/typed.h"

namespace freshet::coordinator {
namespace {

// Longer than anything takes on a busy machine; only a failing test waits for it.
constexpr std::chrono::seconds kPatience{60};

}  // namespace

proto::ModelSpec LedgerModel() {
  proto::ModelSpec model;
  model.set_kind("ledger");
  proto::EmbeddingVariable& variable = *model.add_embedding_variables();
  variable.set_name("ledger");
  variable.set_dim(4);
  variable.mutable_optimizer()->mutable_ledger();
  return model;
}

FakeCluster::FakeCluster(uint32_t servers, uint32_t workers_count, uint32_t serving_count)
    : ps(servers), workers(workers_count), serving(serving_count) {
  options.log_dir = folder.path() + "/log";
  options.state_dir = folder.path() + "/state";
  options.servers = servers;
  options.workers = workers_count;
  options.serving = serving_count;
  options.partition_count = 16;
  options.model = LedgerModel();
  options.cut_every = std::chrono::hours(1);
  options.base_growth = 1e6;
  options.heartbeat_every = std::chrono::milliseconds(10);
  options.member_timeout = std::chrono::seconds(20);
  options.rpc_timeout = kPatience;
  options.restore_timeout = kPatience;
}

FakeCluster::~FakeCluster() = default;

void FakeCluster::StartCoordinator() {
  auto started = Coordinator::Start(env, options, kAddress);
  FRESHET_CHECK(started.ok());
  coordinator = *std::move(started);
}

void FakeCluster::StartPs(uint32_t rank) {
  ps[rank].reset();
  ps[rank] = std::make_unique<FakePs>(env, rank, kAddress, options.log_dir, journal);
}

void FakeCluster::StartWorker(uint32_t rank) {
  workers[rank].reset();
  workers[rank] = std::make_unique<FakeWorker>(env, rank, kAddress, options.model, journal);
}

void FakeCluster::StartServing(uint32_t rank) {
  serving[rank].reset();
  serving[rank] = std::make_unique<FakeServing>(env, rank, kAddress, journal);
}

void FakeCluster::StartMembers() {
  for (uint32_t rank = 0; rank < ps.size(); ++rank) {
    StartPs(rank);
  }
  for (uint32_t rank = 0; rank < workers.size(); ++rank) {
    StartWorker(rank);
  }
  for (uint32_t rank = 0; rank < serving.size(); ++rank) {
    StartServing(rank);
  }
}

void FakeCluster::StartAll() {
  StartCoordinator();
  StartMembers();
  AwaitPhase(proto::StatusResponse::TRAINING);
}

proto::StatusResponse FakeCluster::Await(
    const std::function<bool(const proto::StatusResponse&)>& wanted) {
  const auto end = env.clock.Monotonic() + kPatience;
  while (true) {
    const proto::StatusResponse status = coordinator->status();
    if (wanted(status)) {
      return status;
    }
    FRESHET_CHECK(env.clock.Monotonic() < end);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

proto::StatusResponse FakeCluster::AwaitPhase(proto::StatusResponse::Phase phase) {
  return Await([phase](const auto& status) { return status.phase() == phase; });
}

proto::StatusResponse FakeCluster::AwaitTrainingAfter(uint64_t epoch) {
  return Await([epoch](const auto& status) {
    return status.phase() == proto::StatusResponse::TRAINING && status.epoch() > epoch;
  });
}

void FakeCluster::Train(uint64_t samples) {
  for (size_t worker = 0; worker < workers.size(); ++worker) {
    workers[worker]->Train(samples);
    // Worker w counts at server w mod S; keys k with k mod S == s live on server s.
    ps[worker % ps.size()]->Add(worker, static_cast<float>(samples));
  }
}

uint64_t FakeCluster::Counted() const {
  float counted = 0;
  for (const auto& server : ps) {
    for (const auto& [key, count] : server->rows()) {
      counted += count;
    }
  }
  return static_cast<uint64_t>(counted);
}

uint64_t FakeCluster::Read() const {
  uint64_t read = 0;
  for (const auto& worker : workers) {
    read += worker->offset();
  }
  return read;
}

template <typename Response, typename Request>
StatusOr<Response> FakeCluster::Ask(rpc::Method method, const Request& request, Buffer body) {
  const auto channel = transport->Connect(kAddress);
  return rpc::CallAndWait<Response>(*channel, method, request, kPatience, std::move(body));
}

StatusOr<uint64_t> FakeCluster::CutNow() {
  FRESHET_ASSIGN_OR_RETURN(
      const auto response,
      Ask<proto::CutNowResponse>(rpc::Method::kCutNow, proto::CutNowRequest()));
  return response.version();
}

StatusOr<uint64_t> FakeCluster::Rollback(uint64_t version) {
  proto::RollbackRequest request;
  request.set_version(version);
  FRESHET_ASSIGN_OR_RETURN(const auto response,
                           Ask<proto::RollbackResponse>(rpc::Method::kRollback, request));
  return response.version();
}

StatusOr<proto::ForgetResponse> FakeCluster::Forget(const std::string& variable,
                                                    const std::vector<Key>& keys) {
  proto::ForgetRequest request;
  request.set_variable(variable);
  return Ask<proto::ForgetResponse>(
      rpc::Method::kForget, request, Buffer::CopyOf(std::as_bytes(std::span(keys))));
}

StatusOr<proto::ShrinkResponse> FakeCluster::Shrink(bool dry_run) {
  proto::ShrinkRequest request;
  request.set_dry_run(dry_run);
  return Ask<proto::ShrinkResponse>(rpc::Method::kShrink, request);
}

StatusOr<proto::ExplainKeyResponse> FakeCluster::Explain(const std::string& variable, Key key) {
  proto::ExplainKeyRequest request;
  request.set_variable(variable);
  request.set_key(key);
  request.set_slot(3);
  return Ask<proto::ExplainKeyResponse>(rpc::Method::kExplainKey, request);
}

void FakeCluster::Damage(uint64_t version) {
  const proto::Manifest manifest = ManifestOf(version);
  const std::string path =
      log().VersionDirectory(VersionId(version)) + "/" + manifest.parts(0).name();
  std::string content = ReadFile(env.files, path).value();
  content.back() = static_cast<char>(content.back() ^ 1);
  FRESHET_CHECK(WriteFileAtomically(env.files, path, content).ok());
}

void FakeCluster::AwaitCompacted(uint64_t version) {
  const auto channel = transport->Connect(kAddress);
  proto::EventsRequest request;
  request.add_kinds("compacted");
  Await([&](const auto&) {
    const auto events =
        rpc::CallAndWait<proto::EventsResponse>(*channel, rpc::Method::kEvents, request, kPatience);
    return events.ok() &&
           std::any_of(events->events().begin(), events->events().end(), [&](const auto& event) {
             return event.version() == version;
           });
  });
}

proto::Manifest FakeCluster::ManifestOf(uint64_t version) const {
  return log().ReadManifest(VersionId(version)).value();
}

std::vector<uint64_t> FakeCluster::Versions() const {
  std::vector<uint64_t> versions;
  const std::vector<VersionId> committed = log().List().value();
  for (const VersionId version : committed) {
    versions.push_back(version.value());
  }
  return versions;
}

VersionLog FakeCluster::log() const {
  return VersionLog(env.files, options.log_dir);
}

}  // namespace freshet::coordinator
