#include "tests/ps/cluster.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "common/rpc/typed.h"

namespace freshet::ps::test {
namespace {

constexpr std::chrono::milliseconds kTimeout{60000};

template <typename Request>
void DescribeRuns(const Sender& sender, const Batch& batch, Request& request) {
  request.set_epoch(sender.epoch);
  request.set_worker(sender.worker);
  for (const Run& run : batch.runs) {
    proto::KeyRun& added = *request.add_runs();
    added.set_variable(run.variable);
    added.set_keys(static_cast<uint32_t>(run.keys.size()));
    added.set_slot(run.slot);
  }
}

template <typename Request>
void Describe(const Sender& sender, const Batch& batch, Request& request) {
  DescribeRuns(sender, batch, request);
  request.set_step(sender.step);
  request.mutable_dense()->Assign(batch.dense.begin(), batch.dense.end());
}

template <typename T>
void Append(std::string& bytes, const std::vector<T>& values) {
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

Buffer BufferOf(const std::string& bytes) {
  return Buffer::CopyOf(std::as_bytes(std::span(bytes)));
}

std::string KeysOf(const Batch& batch) {
  std::string bytes;
  for (const Run& run : batch.runs) {
    Append(bytes, run.keys);
  }
  return bytes;
}

}  // namespace

rpc::Message PushMessage(const Sender& sender, const Batch& batch) {
  proto::PushRequest request;
  Describe(sender, batch, request);
  request.set_sequence(sender.sequence);
  request.set_last(sender.last);
  request.set_event_time_ms(static_cast<int64_t>(sender.step) * 1000);
  std::string payload = KeysOf(batch);
  for (const Run& run : batch.runs) {
    Append(payload, run.gradients);
  }
  Append(payload, batch.dense_gradients);
  request.set_stream_step(sender.stream_step);
  for (const Run& run : batch.runs) {
    request.set_counts(request.counts() || !run.counts.empty());
    Append(payload, run.counts);
  }
  return rpc::MakeMessage(request, BufferOf(payload));
}

rpc::Message PullMessage(const Sender& sender, const Batch& batch) {
  proto::PullRequest request;
  Describe(sender, batch, request);
  return rpc::MakeMessage(request, BufferOf(KeysOf(batch)));
}

rpc::Message AnnounceMessage(const Sender& sender, const Batch& batch) {
  proto::AnnounceRequest request;
  DescribeRuns(sender, batch, request);
  return rpc::MakeMessage(request, BufferOf(KeysOf(batch)));
}

StatusOr<uint64_t> Client::Restore(const proto::RestoreRequest& request) {
  FRESHET_ASSIGN_OR_RETURN(const auto response,
                           rpc::CallAndWait<proto::RestoreResponse>(
                               *channel_, rpc::Method::kRestore, request, kTimeout));
  return response.rows();
}

Status Client::Declare(uint64_t epoch, const proto::ModelSpec& model) {
  proto::DeclareRequest request;
  request.set_epoch(epoch);
  *request.mutable_model() = model;
  return rpc::CallAndWait<proto::DeclareResponse>(
             *channel_, rpc::Method::kDeclare, request, kTimeout)
      .status();
}

StatusOr<std::vector<float>> Client::Pull(const Sender& sender, const Batch& batch) {
  FRESHET_ASSIGN_OR_RETURN(
      const rpc::Message answer,
      channel_->CallAndWait(rpc::Method::kPull, PullMessage(sender, batch), kTimeout));
  const auto floats = answer.body.as<float>(0, answer.body.size() / sizeof(float));
  return std::vector<float>(floats.begin(), floats.end());
}

Status Client::Push(const Sender& sender, const Batch& batch) {
  return channel_->CallAndWait(rpc::Method::kPush, PushMessage(sender, batch), kTimeout).status();
}

Status Client::Announce(const Sender& sender, const Batch& batch) {
  return channel_->CallAndWait(rpc::Method::kAnnounce, AnnounceMessage(sender, batch), kTimeout)
      .status();
}

StatusOr<proto::CutResponse> Client::Cut(uint64_t epoch, uint64_t version, bool full) {
  proto::CutRequest request;
  request.set_epoch(epoch);
  request.set_version(version);
  request.set_full(full);
  return rpc::CallAndWait<proto::CutResponse>(*channel_, rpc::Method::kCut, request, kTimeout);
}

StatusOr<std::vector<proto::PartFile>> Client::WriteCut(uint64_t epoch, uint64_t version) {
  proto::WriteCutRequest request;
  request.set_epoch(epoch);
  request.set_version(version);
  FRESHET_ASSIGN_OR_RETURN(const auto response,
                           rpc::CallAndWait<proto::WriteCutResponse>(
                               *channel_, rpc::Method::kWriteCut, request, kTimeout));
  return std::vector<proto::PartFile>(response.parts().begin(), response.parts().end());
}

Status Client::EndCut(uint64_t epoch, uint64_t version, bool committed) {
  proto::EndCutRequest request;
  request.set_epoch(epoch);
  request.set_version(version);
  request.set_committed(committed);
  return rpc::CallAndWait<proto::EndCutResponse>(*channel_, rpc::Method::kEndCut, request, kTimeout)
      .status();
}

StatusOr<uint64_t> Client::Delete(uint64_t epoch,
                                  const std::string& variable,
                                  const std::vector<Key>& keys) {
  proto::DeleteRequest request;
  request.set_epoch(epoch);
  request.set_variable(variable);
  FRESHET_ASSIGN_OR_RETURN(
      const auto response,
      rpc::CallAndWait<proto::DeleteResponse>(*channel_,
                                              rpc::Method::kDelete,
                                              request,
                                              kTimeout,
                                              Buffer::CopyOf(std::as_bytes(std::span(keys)))));
  return response.deleted();
}

StatusOr<proto::EvictResponse> Client::Evict(uint64_t epoch,
                                             const std::string& variable,
                                             bool dry_run) {
  proto::EvictRequest request;
  request.set_epoch(epoch);
  request.set_variable(variable);
  request.set_dry_run(dry_run);
  return rpc::CallAndWait<proto::EvictResponse>(*channel_, rpc::Method::kEvict, request, kTimeout);
}

StatusOr<proto::ExplainResponse> Client::Explain(uint64_t epoch,
                                                 const std::string& variable,
                                                 Key key) {
  proto::ExplainRequest request;
  request.set_epoch(epoch);
  request.set_variable(variable);
  request.set_key(key);
  return rpc::CallAndWait<proto::ExplainResponse>(
      *channel_, rpc::Method::kExplain, request, kTimeout);
}

StatusOr<proto::PsStatsResponse> Client::Stats() {
  return rpc::CallAndWait<proto::PsStatsResponse>(
      *channel_, rpc::Method::kPsStats, proto::PsStatsRequest(), kTimeout);
}

ScratchFolder::ScratchFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "freshet-ps-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::filesystem::remove_all(path_ + "-storage");
  std::filesystem::remove_all(path_);
}

Cluster::Cluster(const ClusterShape& shape, const std::string& log_directory)
    : shape_(shape),
      map_(kDefaultPartitionCount, shape.servers),
      log_directory_(log_directory.empty() ? scratch_.path() : log_directory),
      transport_(rpc::MakeInProcessTransport()),
      log_(LocalFileSystem(), log_directory_) {
  const Env env{.clock = SystemClock(),
                .random = SystemRandom(),
                .files = LocalFileSystem(),
                .transport = *transport_};
  for (uint32_t i = 0; i < shape.servers; ++i) {
    PsOptions options;
    options.listen = fmt::format("ps-{}:0", i);
    options.log_directory = log_directory_;
    options.owner_threads = shape.owner_threads;
    if (shape.dram_bytes > 0) {
      options.storage = {.directory = StorageDirectory(i), .dram_bytes = shape.dram_bytes};
    }
    auto server = PsServer::Start(options, env);
    REQUIRE(server.ok());
    servers_.push_back(*std::move(server));
    addresses_.push_back(servers_.back()->address());
    clients_.push_back(std::make_unique<Client>(*transport_, addresses_.back()));
  }
}

std::string Cluster::StorageDirectory(uint32_t server) const {
  return fmt::format("{}-storage/ps-{}", scratch_.path(), server);
}

proto::RestoreRequest Cluster::RestoreRequest(uint64_t epoch,
                                              uint64_t version,
                                              uint32_t server) const {
  proto::RestoreRequest request;
  request.set_epoch(epoch);
  request.set_version(version);
  request.set_server(server);
  request.set_servers(shape_.servers);
  request.set_workers(shape_.workers);
  request.set_partition_count(map_.partition_count());
  request.set_bsp(shape_.bsp);
  return request;
}

uint64_t Cluster::Restore(uint64_t epoch, uint64_t version) {
  uint64_t rows = 0;
  for (uint32_t i = 0; i < shape_.servers; ++i) {
    const auto restored = client(i).Restore(RestoreRequest(epoch, version, i));
    INFO(restored.status().ToString());
    REQUIRE(restored.ok());
    rows += *restored;
  }
  return rows;
}

void Cluster::Declare(uint64_t epoch, const proto::ModelSpec& model) {
  for (uint32_t i = 0; i < shape_.servers; ++i) {
    const Status status = client(i).Declare(epoch, model);
    INFO(status.ToString());
    REQUIRE(status.ok());
  }
}

std::vector<float> Cluster::PullAll(uint64_t epoch,
                                    uint32_t variable,
                                    uint32_t dim,
                                    std::vector<Key> keys) {
  std::map<Key, std::vector<float>> by_key;
  for (uint32_t i = 0; i < shape_.servers; ++i) {
    Run run{.variable = variable};
    std::copy_if(keys.begin(), keys.end(), std::back_inserter(run.keys), [&](Key key) {
      return ServerOf(key) == i;
    });
    const auto values = client(i).Pull({.epoch = epoch}, {.runs = {run}});
    INFO(values.status().ToString());
    REQUIRE(values.ok());
    for (size_t k = 0; k < run.keys.size(); ++k) {
      by_key[run.keys[k]].assign(&(*values)[k * dim], &(*values)[k * dim] + dim);
    }
  }
  std::vector<float> all;
  for (const Key key : keys) {
    all.insert(all.end(), by_key[key].begin(), by_key[key].end());
  }
  return all;
}

void Cluster::CutVersion(uint64_t epoch,
                         uint64_t version,
                         const proto::ModelSpec& model,
                         bool full) {
  REQUIRE(log_.Prepare(VersionId(version)).ok());
  uint64_t expected_rows = 0;
  for (uint32_t i = 0; i < shape_.servers; ++i) {
    const auto cut = client(i).Cut(epoch, version, full);
    INFO(cut.status().ToString());
    REQUIRE(cut.ok());
    expected_rows += cut->rows();
  }
  std::vector<proto::PartFile> parts;
  uint64_t rows = 0;
  for (uint32_t i = 0; i < shape_.servers; ++i) {
    const auto written = client(i).WriteCut(epoch, version);
    INFO(written.status().ToString());
    REQUIRE(written.ok());
    for (const proto::PartFile& part : *written) {
      rows += part.rows();
      CHECK(part.server() == i);
      parts.push_back(part);
    }
  }
  // Of rows on disk only a bound was known.
  const bool bound = shape_.dram_bytes > 0 && !full;
  CHECK((bound ? rows <= expected_rows : rows == expected_rows));
  Commit(version, model, parts, full);
  for (uint32_t i = 0; i < shape_.servers; ++i) {
    REQUIRE(client(i).EndCut(epoch, version, true).ok());
  }
}

void Cluster::Commit(uint64_t version,
                     const proto::ModelSpec& model,
                     const std::vector<proto::PartFile>& parts,
                     bool full) {
  const auto newest = log_.Newest();
  REQUIRE(newest.ok());
  proto::Manifest manifest;
  manifest.set_format(1);
  manifest.set_version(version);
  manifest.set_parent(newest->value());
  manifest.set_kind(full ? proto::Manifest::BASE : proto::Manifest::DELTA);
  manifest.set_partition_count(map_.partition_count());
  *manifest.mutable_model() = model;
  manifest.mutable_parts()->Assign(parts.begin(), parts.end());
  const Status status = log_.Commit(manifest);
  INFO(status.ToString());
  REQUIRE(status.ok());
}

VersionContents Cluster::Read(uint64_t version) {
  VersionContents contents;
  const auto apply = [&](const proto::Manifest&, const PartContents& part) {
    for (const EmbeddingRows& rows : part.embeddings) {
      for (const Key key : rows.tombstones) {
        contents.rows.erase({rows.variable, key});
        contents.metadata.erase({rows.variable, key});
      }
      for (size_t i = 0; i < rows.keys.size(); ++i) {
        const std::pair name(rows.variable, rows.keys[i]);
        std::vector<float>& row = contents.rows[name];
        const float* const value = rows.values.data() + i * rows.dim;
        const float* const state = rows.states.data() + i * rows.state_dim;
        row.assign(value, value + rows.dim);
        row.insert(row.end(), state, state + rows.state_dim);
        contents.metadata[name] = {rows.frequencies[i], rows.last_updates[i]};
      }
    }
    for (const DenseTensor& tensor : part.dense) {
      std::vector<float>& values = contents.dense[tensor.variable];
      values = tensor.values;
      values.insert(values.end(), tensor.states.begin(), tensor.states.end());
    }
    return absl::OkStatus();
  };
  const Status status =
      ForEachPart(LocalFileSystem(), log_, VersionId(version), PartColumns::kAll, apply);
  INFO(status.ToString());
  REQUIRE(status.ok());
  return contents;
}

}  // namespace freshet::ps::test
