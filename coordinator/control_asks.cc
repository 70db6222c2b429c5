// How the control thread answers rollback, cut now, forget, shrink and explain.
#include <algorithm>
#include <span>
#include <utility>

#include "common/cluster/partition_map.h"
#include "common/key.h"
#include "common/model/feature_policy.h"
#include "common/model/find_variable.h"
#include "common/rpc/typed.h"
#include "coordinator/control.h"
#include "coordinator/log.h"
#include "coordinator/rollback.h"
#include "coordinator/scores.h"
#include "proto/ps.pb.h"

namespace freshet::coordinator {
namespace {

constexpr char kNoRule[] =
    "no rule of eviction is set, so no row can go: see the settings of eviction in the worker "
    "config";

Status CheckForget(const proto::ModelSpec& model, const ForgetAsk& ask) {
  FRESHET_RETURN_IF_ERROR(FindEmbeddingVariable(model, ask.request.variable()).status());
  if (ask.keys.empty() || ask.keys.size() % sizeof(Key) != 0) {
    return InvalidArgument("{} bytes are no list of {}-byte keys", ask.keys.size(), sizeof(Key));
  }
  return absl::OkStatus();
}

Status CheckShrink(const proto::ModelSpec& model, const proto::ShrinkRequest& request) {
  if (!request.variable().empty()) {
    FRESHET_ASSIGN_OR_RETURN(const uint32_t variable,
                             FindEmbeddingVariable(model, request.variable()));
    return Evicts(model.embedding_variables(static_cast<int>(variable)).policy())
               ? absl::OkStatus()
               : FailedPrecondition("variable '{}': {}", request.variable(), kNoRule);
  }
  const auto& variables = model.embedding_variables();
  return std::any_of(variables.begin(),
                     variables.end(),
                     [](const auto& variable) { return Evicts(variable.policy()); })
             ? absl::OkStatus()
             : FailedPrecondition("{}", kNoRule);
}

}  // namespace

void Control::AnswerAsks() {
  while (!queue_.closed()) {
    std::optional<Ask> ask = queue_.Take();
    if (!ask.has_value()) {
      return;
    }
    std::visit([&](auto& what) { Answer(std::move(what), std::move(ask->respond)); }, ask->what);
  }
}

void Control::RefuseAll() {
  edits_.RefuseAll(Unavailable(
      "the coordinator stops, and no version says yet that the rows are gone: ask again"));
  while (std::optional<Ask> ask = queue_.Take()) {
    ask->respond(Unavailable("the coordinator stops"));
  }
  for (Rollback& rollback : rollbacks_) {
    rollback.respond(
        Unavailable("version {} is committed, but the coordinator stops before training went "
                    "on from there",
                    rollback.version.value()));
  }
  rollbacks_.clear();
}

Status Control::NotTraining() const {
  return Unavailable("the cluster does not train now ({}: {}); try again later",
                     proto::StatusResponse::Phase_Name(phase_),
                     waiting_for_);
}

// Allowed in every phase: a cluster that cannot start with its newest version may need it.
void Control::Answer(const proto::RollbackRequest& request, rpc::Responder respond) {
  VersionId target(request.version());
  if (request.before_unix_ms() != 0) {
    const StatusOr<VersionId> found = NewestBefore(context_, request.before_unix_ms());
    if (!found.ok()) {
      respond(found.status());
      return;
    }
    target = *found;
  }
  const Status status = RollBack(target,
                                 {.keep_positions = request.keep_positions(),
                                  .skips = {request.skips().begin(), request.skips().end()},
                                  .forget_skips = request.forget_skips()});
  if (!status.ok()) {
    respond(status);
    return;
  }
  rollbacks_.push_back({.respond = std::move(respond),
                        .version = VersionId(board_.Read().version),
                        .target = target});
}

Status Control::RollBack(VersionId target, const RollbackChanges& changes) {
  const auto versions_stay = housekeeper_.KeepAll();
  FRESHET_RETURN_IF_ERROR(CheckRollbackTarget(context_, target));
  const StatusOr<Epoch> epoch = context_.store.LastEpoch();
  const auto committed =
      epoch.ok() ? CommitRollback(context_, numbers_, target, *epoch, changes) : epoch.status();
  if (!committed.ok()) {
    if (absl::IsAborted(committed.status()) && session_.has_value()) {
      Rewind("rollback", committed.status().ToString());  // the log knows whether it happened
    }
    return committed.status();
  }
  std::string text =
      fmt::format("to version {} by version {}", target.value(), committed->version());
  if (changes.keep_positions) {
    text += ", streams go on where they are";
  }
  for (const proto::SkipRule& rule : committed->skips()) {
    text += ", skips " + rule.text();
  }
  Record("rolled_back", text, committed->version());
  serving_.Tell(VersionId(committed->version()));
  KeepScores(context_, *committed);
  board_.Update([&](Progress& progress) {
    progress.version = committed->version();
    progress.event_time_watermark_ms = committed->event_time_watermark_ms();
  });
  if (session_.has_value()) {
    Rewind("rollback", text);
  }
  return absl::OkStatus();
}

void Control::AnswerRollbacks() {
  for (Rollback& rollback : rollbacks_) {
    proto::RollbackResponse response;
    response.set_version(rollback.version.value());
    response.set_target(rollback.target.value());
    rollback.respond(rpc::MakeMessage(response));
  }
  rollbacks_.clear();
}

void Control::Answer(const proto::CutNowRequest& /*request*/, rpc::Responder respond) {
  if (!session_.has_value()) {
    respond(NotTraining());
    return;
  }
  // With nothing new the newest version is the answer; an empty log gets its first one.
  const CutResult result = MakeCut(head_.version() == 0, context_.options.rpc_timeout);
  if (!result.committed && !result.unchanged) {
    respond(result.status);
    return;
  }
  proto::CutNowResponse response;
  response.set_version(head_.version());
  respond(rpc::MakeMessage(response));
}

// The cut that follows carries it out; if that one fails, a later one does.
void Control::Answer(ForgetAsk ask, rpc::Responder respond) {
  if (const Status status = CheckForget(context_.options.model, ask); !status.ok()) {
    respond(status);
    return;
  }
  if (!session_.has_value()) {
    respond(NotTraining());
    return;
  }
  edits_.Add({.what = std::move(ask), .respond = std::move(respond)});
  MakeCut(false, context_.options.rpc_timeout);
}

void Control::Answer(const proto::ShrinkRequest& request, rpc::Responder respond) {
  if (const Status status = CheckShrink(context_.options.model, request); !status.ok()) {
    respond(status);
    return;
  }
  if (!session_.has_value()) {
    respond(NotTraining());
    return;
  }
  if (!request.dry_run()) {
    edits_.Add({.what = request, .respond = std::move(respond)});
    MakeCut(false, context_.options.rpc_timeout);
    return;
  }
  const auto would_go = EvictOnServers(
      *session_, request, context_.options.restore_timeout, [this] { return GiveUpCut(); });
  if (would_go.ok()) {
    respond(rpc::MakeMessage(*would_go));
  } else {
    respond(would_go.status());
  }
}

void Control::Answer(const proto::ExplainKeyRequest& request, rpc::Responder respond) {
  const StatusOr<proto::ExplainKeyResponse> response = Explain(request);
  if (response.ok()) {
    respond(rpc::MakeMessage(*response));
  } else {
    respond(response.status());
  }
}

StatusOr<proto::ExplainKeyResponse> Control::Explain(const proto::ExplainKeyRequest& request) {
  FRESHET_RETURN_IF_ERROR(
      FindEmbeddingVariable(context_.options.model, request.variable()).status());
  if (!session_.has_value()) {
    return NotTraining();
  }
  const PartitionMap partitions(context_.options.partition_count,
                                static_cast<uint32_t>(session_->servers.size()));
  const PartitionId partition = partitions.PartitionOf(request.key());
  const std::span<const Peer> server(&session_->servers[partitions.ServerOf(partition)], 1);
  proto::ExplainRequest explain;
  explain.set_epoch(session_->epoch.value());
  explain.set_variable(request.variable());
  explain.set_key(request.key());
  explain.set_slot(request.slot());
  FRESHET_ASSIGN_OR_RETURN(
      auto answers,
      CallAll<proto::ExplainResponse>(
          server, rpc::Method::kExplain, explain, context_.options.rpc_timeout, [this] {
            return GiveUpCut();
          }));
  proto::ExplainKeyResponse response;
  response.set_partition(partition.value());
  response.set_partition_count(partitions.partition_count());
  response.set_server(server.front().info.rank);
  response.set_address(server.front().info.address);
  response.mutable_lines()->Swap(answers.front().mutable_lines());
  return response;
}

}  // namespace freshet::coordinator
