#include "ps/restore_service.h"

#include <spdlog/logger.h>

#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "common/rpc/typed.h"
#include "common/version_log/version_path.h"
#include "ps/log.h"
#include "ps/model_check.h"

namespace freshet::ps {
namespace {

constexpr uint32_t kMaxPartitions = 1U << 24U;
constexpr uint32_t kMaxWorkers = 1U << 16U;

Status CheckRange(const char* field, uint32_t value, uint32_t least, uint32_t most) {
  return value >= least && value <= most
             ? absl::OkStatus()
             : InvalidArgument("restore: {} is {}, must be {} to {}", field, value, least, most);
}

Status CheckRequest(const proto::RestoreRequest& request) {
  if (request.epoch() == 0) {
    return InvalidArgument("restore: epoch is 0, epochs begin at 1");
  }
  FRESHET_RETURN_IF_ERROR(
      CheckRange("partition_count", request.partition_count(), 1, kMaxPartitions));
  FRESHET_RETURN_IF_ERROR(CheckRange("servers", request.servers(), 1, request.partition_count()));
  FRESHET_RETURN_IF_ERROR(CheckRange("server", request.server(), 0, request.servers() - 1));
  if (request.base_version() != 0 &&
      !(request.base_weight() >= 0.0F && request.base_weight() <= 1.0F)) {
    return InvalidArgument("restore: base_weight is {}, must be 0 to 1", request.base_weight());
  }
  return CheckRange("workers", request.workers(), 1, kMaxWorkers);
}

// Of the first version of the chain, on all servers.
uint64_t RowsOfBase(const std::vector<proto::Manifest>& chain) {
  uint64_t rows = 0;
  for (const proto::PartFile& part : chain.front().parts()) {
    rows += part.rows();
  }
  return rows;
}

// Of the last manifest of the chain: a rollback has no model of its own. Null: a rollback to
// nothing.
StatusOr<std::shared_ptr<const proto::ModelSpec>> ModelOf(
    const std::vector<proto::Manifest>& chain) {
  if (chain.empty()) {
    return std::shared_ptr<const proto::ModelSpec>();
  }
  auto model = std::make_shared<const proto::ModelSpec>(chain.back().model());
  FRESHET_RETURN_IF_ERROR(
      Annotate(CheckModel(*model), fmt::format("the model of version {}", chain.back().version())));
  return std::shared_ptr<const proto::ModelSpec>(std::move(model));
}

// False: the part holds nothing of this server's.
bool MayConcern(const Ownership& ownership,
                const proto::Manifest& manifest,
                const proto::PartFile& part) {
  const bool any = part.end_partition() == 0 || part.dense_variables() > 0 ||
                   manifest.partition_count() != ownership.partitions().partition_count();
  return any || (part.first_partition() < ownership.end_partition() &&
                 ownership.first_partition() < part.end_partition());
}

}  // namespace

RestoreService::RestoreService(const PsOptions& options,
                               CurrentSession& current,
                               const OwnerThreads& owners,
                               ColdStore* store,
                               PsMetrics& metrics,
                               const Clock& clock,
                               FileSystem& files)
    : current_(current),
      owners_(owners),
      store_(store),
      metrics_(metrics),
      clock_(clock),
      files_(files),
      log_(files, options.log_directory) {}

void RestoreService::Register(rpc::Server& server) {
  rpc::HandleTyped<proto::RestoreRequest>(
      server,
      rpc::Method::kRestore,
      [this](const proto::RestoreRequest& request, Buffer /*body*/, rpc::Responder respond) {
        Restore(request, std::move(respond));
      });
}

void RestoreService::Restore(const proto::RestoreRequest& request, rpc::Responder respond) {
  if (const Status status = CheckRequest(request); !status.ok()) {
    respond(status);
    return;
  }
  const auto session = std::make_shared<Session>(request, static_cast<uint32_t>(owners_.size()));
  if (const Status status = current_.Begin(session); !status.ok()) {
    respond(status);
    return;
  }
  metrics_.epoch.Set(static_cast<double>(request.epoch()));
  restorer_.Post([this, session, request, respond = std::move(respond)]() mutable {
    Run(session, request, std::move(respond));
  });
}

void RestoreService::Run(const std::shared_ptr<Session>& session,
                         const proto::RestoreRequest& request,
                         rpc::Responder respond) {
  const uint64_t version = request.version();
  const std::chrono::nanoseconds start = clock_.Monotonic();
  const uint64_t epoch = session->epoch().value();
  const Status status = Load(session, request);
  const std::chrono::duration<double> seconds = clock_.Monotonic() - start;
  if (!status.ok()) {
    metrics_.restores_failed.Increment();
    Log().error("restore failed epoch={} version={}: {}", epoch, version, MessageOf(status));
    session->Close(Aborted("epoch {} could not begin: {}", epoch, MessageOf(status)));
    respond(status);
    return;
  }
  metrics_.restore_seconds.Observe(seconds.count());
  proto::RestoreResponse response;
  for (const auto& owner : owners_) {
    response.set_rows(response.rows() + owner->rows());
  }
  Log().info("restored epoch={} version={} rows={} seconds={:.3f}",
             epoch,
             version,
             response.rows(),
             seconds.count());
  respond(rpc::MakeMessage(response));
}

Status RestoreService::Load(const std::shared_ptr<Session>& session,
                            const proto::RestoreRequest& request) {
  // A closed session must not clear the rows of a later one. Not after this either: the later one's
  // restore runs on this thread, behind this one.
  FRESHET_RETURN_IF_ERROR(session->CheckNotClosed());
  const VersionId version(request.version());
  const bool own_log = request.log_dir().empty();
  const VersionLog log(files_, own_log ? log_.directory() : request.log_dir());
  // Read once: manifests are large.
  std::vector<proto::Manifest> chain;
  if (version.value() != 0) {
    FRESHET_ASSIGN_OR_RETURN(chain, log.Chain(version));
  }
  FRESHET_ASSIGN_OR_RETURN(std::shared_ptr<const proto::ModelSpec> model, ModelOf(chain));
  const bool plain = own_log && request.base_version() == 0;
  bool loaded = false;
  if (plain && model != nullptr && FitsHeld(*session, *model)) {
    FRESHET_ASSIGN_OR_RETURN(loaded, Rewind(*session, *model, version, chain));
  }
  if (!loaded) {
    held_.reset();
    FRESHET_RETURN_IF_ERROR(RunOnAllAndWait(owners_, [&](Shard& shard) {
      shard.Clear(session->epoch(), session->ownership());
      return absl::OkStatus();
    }));
    if (store_ != nullptr) {
      FRESHET_RETURN_IF_ERROR(store_->ReplaceIfBroken());
    }
    if (model != nullptr) {
      FRESHET_RETURN_IF_ERROR(LoadAll(*session, *model, log, chain));
    }
  }
  if (model != nullptr && request.base_version() != 0) {
    FRESHET_RETURN_IF_ERROR(Blend(*session, request));
  }
  FRESHET_RETURN_IF_ERROR(RunOnAllAndWait(owners_, [&](Shard& shard) {
    shard.LoadedAll(plain ? version : VersionId(0));
    return absl::OkStatus();
  }));
  held_ = session;
  session->Open(std::move(model));
  return session->CheckNotClosed();
}

StatusOr<std::optional<std::vector<proto::Manifest>>> RestoreService::KeepRows(
    const Session& session, VersionId version) {
  if (store_ != nullptr && store_->broken()) {
    return std::nullopt;
  }
  std::mutex mutex;
  std::set<VersionId> kept;
  FRESHET_RETURN_IF_ERROR(RunOnAllAndWait(owners_, [&](Shard& shard) {
    const VersionId of_shard = shard.Keep(session.epoch());
    const std::lock_guard lock(mutex);
    kept.insert(of_shard);
    return absl::OkStatus();
  }));
  if (kept.size() != 1 || kept.begin()->value() == 0) {
    return std::nullopt;
  }
  auto deltas = DeltasBetween(log_, *kept.begin(), version);
  // What is damaged may lie on the way only: loading the version will tell.
  return deltas.ok() ? *std::move(deltas) : std::nullopt;
}

bool RestoreService::FitsHeld(const Session& session, const proto::ModelSpec& model) const {
  if (held_ == nullptr || !(held_->ownership() == session.ownership())) {
    return false;
  }
  const auto held = held_->model();
  return held.ok() && CheckSameModel(**held, model).ok();
}

Status RestoreService::Touch(const Session& session, const std::vector<proto::Manifest>& deltas) {
  const PartSelection keys{.columns = PartColumns::kKeys,
                           .only = nullptr,
                           .wants = [&](const auto& manifest, const auto& part) {
                             return MayConcern(session.ownership(), manifest, part);
                           }};
  FRESHET_RETURN_IF_ERROR(ForEachPart(
      files_, log_, deltas, keys, [this](const proto::Manifest&, const PartContents& part) {
        return RunOnAllAndWait(owners_, [&part](Shard& shard) { return shard.Touch(part); });
      }));
  return RunOnAllAndWait(owners_, [](Shard& shard) { return shard.TouchChanged(); });
}

StatusOr<bool> RestoreService::Rewind(const Session& session,
                                      const proto::ModelSpec& model,
                                      VersionId version,
                                      const std::vector<proto::Manifest>& chain) {
  FRESHET_ASSIGN_OR_RETURN(const auto deltas, KeepRows(session, version));
  if (!deltas) {
    return false;
  }
  if (const Status status = Touch(session, *deltas); !status.ok()) {
    // What is damaged may lie on the way only: loading the version will tell.
    Log().info("loads everything epoch={}: {}", session.epoch().value(), MessageOf(status));
    return false;
  }
  // Until here a later restore would find everything as it was.
  FRESHET_RETURN_IF_ERROR(session.CheckNotClosed());
  held_.reset();
  const StatusOr<size_t> touched = Reload(session, model, chain);
  if (StoreFailed(touched.status())) {
    Log().warn("loads everything epoch={}: {}",
               session.epoch().value(),
               touched.ok() ? "the store of cold rows is broken" : MessageOf(touched.status()));
    return false;
  }
  FRESHET_RETURN_IF_ERROR(touched.status());
  metrics_.rewinds.Increment();
  Log().info(
      "rewound epoch={} version={} touched={}", session.epoch().value(), version.value(), *touched);
  return true;
}

StatusOr<size_t> RestoreService::Reload(const Session& session,
                                        const proto::ModelSpec& model,
                                        const std::vector<proto::Manifest>& chain) {
  std::mutex mutex;
  TouchedKeys touched;
  FRESHET_RETURN_IF_ERROR(RunOnAllAndWait(owners_, [&](Shard& shard) {
    FRESHET_ASSIGN_OR_RETURN(TouchedKeys of_shard, shard.TakeAway(model));
    const std::lock_guard lock(mutex);
    touched.Merge(std::move(of_shard));
    return absl::OkStatus();
  }));
  FRESHET_RETURN_IF_ERROR(LoadParts(session, log_, chain, &touched));
  return touched.size();
}

bool RestoreService::StoreFailed(const Status& status) const {
  return store_ != nullptr && (store_->broken() || absl::IsResourceExhausted(status));
}

Status RestoreService::LoadAll(const Session& session,
                               const proto::ModelSpec& model,
                               const VersionLog& log,
                               const std::vector<proto::Manifest>& chain) {
  FRESHET_RETURN_IF_ERROR(RunOnAllAndWait(owners_, [&model](Shard& shard) {
    shard.Declare(model);
    return absl::OkStatus();
  }));
  const uint64_t rows = RowsOfBase(chain);
  FRESHET_RETURN_IF_ERROR(RunOnAllAndWait(owners_, [&](Shard& shard) {
    shard.Reserve(rows /
                  (uint64_t{session.ownership().partitions().server_count()} * owners_.size()));
    return absl::OkStatus();
  }));
  return LoadParts(session, log, chain, nullptr);
}

Status RestoreService::LoadParts(const Session& session,
                                 const VersionLog& log,
                                 const std::vector<proto::Manifest>& chain,
                                 const TouchedKeys* only) {
  const auto load_part = [&](const proto::Manifest& manifest, const PartContents& contents) {
    if (Status closed = session.CheckNotClosed(); !closed.ok()) {
      return closed;
    }
    return Annotate(
        RunOnAllAndWait(owners_, [&contents](Shard& shard) { return shard.Load(contents); }),
        fmt::format("version {}", manifest.version()));
  };
  const PartSelection selection{.columns = PartColumns::kAll,
                                .only = only,
                                .wants = [&](const auto& manifest, const auto& part) {
                                  return MayConcern(session.ownership(), manifest, part);
                                }};
  return ForEachPart(files_, log, chain, selection, load_part);
}

Status RestoreService::Blend(const Session& session, const proto::RestoreRequest& request) {
  const VersionLog log(files_, request.base_log_dir());
  const auto blend_part = [&](const proto::Manifest& manifest, const PartContents& contents) {
    if (Status closed = session.CheckNotClosed(); !closed.ok()) {
      return closed;
    }
    return Annotate(
        RunOnAllAndWait(owners_,
                        [&](Shard& shard) { return shard.Blend(contents, request.base_weight()); }),
        fmt::format("version {} of {}", manifest.version(), log.directory()));
  };
  FRESHET_ASSIGN_OR_RETURN(const std::vector<proto::Manifest> chain,
                           log.Chain(VersionId(request.base_version())));
  const PartSelection selection{.columns = PartColumns::kAll,
                                .only = nullptr,
                                .wants = [&](const auto& manifest, const auto& part) {
                                  return MayConcern(session.ownership(), manifest, part);
                                }};
  return ForEachPart(files_, log, chain, selection, blend_part);
}

}  // namespace freshet::ps
