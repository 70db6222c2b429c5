#include "coordinator/recovery.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "common/crash_point.h"
#include "common/mutant.h"
#include "coordinator/log.h"
#include "coordinator/model_check.h"
#include "coordinator/rollback.h"
#include "proto/control.pb.h"
#include "proto/ps.pb.h"

namespace freshet::coordinator {
namespace {

// Of the newest manifest that can be read; 0 for an empty log.
StatusOr<uint64_t> EpochOfLog(const VersionLog& log) {
  FRESHET_ASSIGN_OR_RETURN(std::vector<VersionId> versions, log.List());
  for (; !versions.empty(); versions.pop_back()) {
    const auto manifest = log.ReadManifest(versions.back());
    if (manifest.ok()) {
      return manifest->epoch();
    }
    if (!absl::IsDataLoss(manifest.status())) {
      return manifest.status();
    }
  }
  return 0;
}

// A server was lost, or the coordinator stops: that says nothing of what was to be restored.
bool IsOfMember(const Status& status) {
  return absl::IsAborted(status) || absl::IsUnavailable(status) || absl::IsCancelled(status);
}

}  // namespace

void ChainSize::Add(const proto::Manifest& manifest) {
  uint64_t bytes = 0;
  for (const proto::PartFile& part : manifest.parts()) {
    bytes += part.bytes();
  }
  if (versions == 0 || manifest.kind() == proto::Manifest::BASE) {
    *this = {.versions = 1, .base_bytes = bytes, .delta_bytes = 0};
  } else {
    ++versions;
    delta_bytes += bytes;
  }
}

ChainSize SizeOf(const std::vector<proto::Manifest>& chain) {
  ChainSize size;
  for (const proto::Manifest& manifest : chain) {
    size.Add(manifest);
  }
  return size;
}

StatusOr<Epoch> BeginEpoch(const Context& context, uint64_t largest_spoken_of) {
  FRESHET_ASSIGN_OR_RETURN(const Epoch stored, context.store.LastEpoch());
  FRESHET_ASSIGN_OR_RETURN(const uint64_t in_log, EpochOfLog(context.log));
  const Epoch epoch(std::max({stored.value(), in_log, largest_spoken_of}) + 1);
  FRESHET_RETURN_IF_ERROR(context.store.StoreEpoch(epoch));
  CrashPoint("after_epoch");
  return epoch;
}

namespace {

// A version that was pinned in the moment in which it was to go.
void RestorePinned(const Context& context) {
  const auto pins = context.log.Pins();
  if (!pins.ok()) {
    return;
  }
  for (const auto& [version, note] : *pins) {
    if (absl::IsNotFound(context.log.ReadManifest(version).status()) &&
        context.log.Restore(version).ok()) {
      Log().info("a pinned version stays version={}", version.value());
    }
  }
}

}  // namespace

void RemoveLeftovers(const Context& context) {
  RestorePinned(context);
  const auto names = context.env.files.List(context.log.directory());
  const auto committed = context.log.List();
  if (!names.ok() || !committed.ok()) {
    return;  // nothing depends on it
  }
  std::set<std::string> keep;
  for (const VersionId version : *committed) {
    keep.insert(context.log.VersionDirectory(version));
  }
  for (const std::string& name : *names) {
    const std::string path = context.log.directory() + "/" + name;
    // Only what is named like a version's folder, and is none.
    if (name.size() < 12 || name.find_first_not_of("0123456789") != std::string::npos ||
        keep.count(path) > 0) {
      continue;
    }
    const Status removed = context.env.files.RemoveAll(path);
    Log().info("removed what a failed cut left path={} status={}", path, removed.ToString());
  }
}

Recovery::Recovery(const Context& context, VersionNumbers& numbers, GiveUp give_up)
    : context_(context), numbers_(numbers), give_up_(std::move(give_up)) {}

StatusOr<Restored> Recovery::Run(const Session& session, const FoundBase* base) {
  FRESHET_ASSIGN_OR_RETURN(const VersionId newest, context_.log.Newest());
  StatusOr<Restored> restored = Read(newest);
  if (!restored.ok()) {
    return GoBack(newest, session.epoch, restored.status());
  }
  const bool stale = Mutant("recovery_restores_the_version_before") && restored->head.parent() != 0;
  const StatusOr<uint64_t> rows =
      RestoreServers(session, stale ? VersionId(restored->head.parent()) : newest, base);
  if (!rows.ok() && base != nullptr && !IsOfMember(rows.status())) {
    return InvalidArgument("{}", MessageOf(rows.status()));
  }
  if (!rows.ok()) {
    return GoBack(newest, session.epoch, rows.status());
  }
  restored->rows = *rows;
  CrashPoint("after_restore");
  RemoveLeftovers(context_);
  if (base != nullptr) {
    restored->head = HeadOf(context_.options, *base, restored->head);
  }
  FRESHET_RETURN_IF_ERROR(StartWorkers(session, restored->head));
  return restored;
}

StatusOr<Restored> Recovery::Read(VersionId version) const {
  Restored restored;
  if (version.value() == 0) {
    return restored;
  }
  FRESHET_ASSIGN_OR_RETURN(restored.head, context_.log.ReadManifest(version));
  FRESHET_ASSIGN_OR_RETURN(const auto chain, context_.log.Chain(version));
  restored.chain = SizeOf(chain);
  return restored;
}

StatusOr<uint64_t> Recovery::RestoreServers(const Session& session,
                                            VersionId version,
                                            const FoundBase* base) {
  std::vector<proto::RestoreRequest> requests(session.servers.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].set_epoch(session.epoch.value());
    requests[i].set_version(version.value());
    requests[i].set_server(session.servers[i].info.rank);
    requests[i].set_servers(static_cast<uint32_t>(session.servers.size()));
    requests[i].set_workers(static_cast<uint32_t>(session.workers.size()));
    requests[i].set_partition_count(context_.options.partition_count);
    requests[i].set_bsp(context_.options.bsp);
    requests[i].set_ssp(context_.options.staleness.has_value());
    requests[i].set_staleness(context_.options.staleness.value_or(0));
    if (base != nullptr && context_.options.calibration->replaces()) {
      requests[i].set_log_dir(base->log_dir);
      requests[i].set_version(base->manifest.version());
    } else if (base != nullptr) {
      requests[i].set_base_log_dir(base->log_dir);
      requests[i].set_base_version(base->manifest.version());
      requests[i].set_base_weight(static_cast<float>(context_.options.calibration->base_weight));
    }
  }
  FRESHET_ASSIGN_OR_RETURN(const auto responses,
                           CallEach<proto::RestoreResponse>(session.servers,
                                                            rpc::Method::kRestore,
                                                            requests,
                                                            context_.options.restore_timeout,
                                                            give_up_));
  uint64_t rows = 0;
  for (const proto::RestoreResponse& response : responses) {
    rows += response.rows();
  }
  return rows;
}

Status Recovery::StartWorkers(const Session& session, const proto::Manifest& head) {
  proto::StartSessionRequest request;
  request.set_epoch(session.epoch.value());
  request.set_workers(static_cast<uint32_t>(session.workers.size()));
  request.set_partition_count(context_.options.partition_count);
  for (const Peer& server : session.servers) {
    request.add_servers(server.info.address);
  }
  *request.mutable_states() = head.workers();
  *request.mutable_skips() = head.skips();
  request.set_ended(context_.options.early_stopping.has_value() && head.early_stopping().stopped());
  std::vector<proto::StartSessionRequest> requests(session.workers.size(), request);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].set_worker(session.workers[i].info.rank);
  }
  FRESHET_ASSIGN_OR_RETURN(const auto responses,
                           CallEach<proto::StartSessionResponse>(session.workers,
                                                                 rpc::Method::kStartSession,
                                                                 requests,
                                                                 context_.options.rpc_timeout,
                                                                 give_up_));
  for (size_t i = 0; i < responses.size(); ++i) {
    const std::string differences = ModelDifferences(context_.options.model, responses[i].model());
    if (!differences.empty()) {
      return FailedPrecondition(
          "{} trains another model than the coordinator's worker config declares: {}. All "
          "processes must read the same worker config",
          session.workers[i].name(),
          differences);
    }
  }
  return absl::OkStatus();
}

Status Recovery::GoBack(VersionId version, Epoch epoch, const Status& error) {
  if (!IsDamage(error) || version.value() == 0) {
    return error;
  }
  IntactVersions intact(context_.log);
  Status own_look = intact.Check(version);
  if (own_look.ok()) {
    return Annotate(error, "damaged for a server, but intact for the coordinator");
  }
  if (!IsDamage(own_look)) {
    return own_look;
  }
  Log().error("damaged version={} error=\"{}\"", version.value(), MessageOf(own_look));
  FRESHET_ASSIGN_OR_RETURN(const VersionId target, intact.NewestBefore(version));
  FRESHET_ASSIGN_OR_RETURN(const proto::Manifest rollback,
                           CommitRollback(context_, numbers_, target, epoch));
  return Aborted("version {} is damaged ({}): went back to {} with version {}",
                 version.value(),
                 MessageOf(own_look),
                 target.value(),
                 rollback.version());
}

}  // namespace freshet::coordinator
