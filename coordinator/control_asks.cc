// How the control thread answers rollback, cut now and delete keys.
#include <utility>

#include "common/key.h"
#include "common/rpc/typed.h"
#include "coordinator/control.h"
#include "coordinator/log.h"
#include "coordinator/rollback.h"
#include "proto/ps.pb.h"

namespace freshet::coordinator {
namespace {

Status CheckKeys(const proto::ModelSpec& model, const DeleteKeysAsk& ask) {
  std::string names;
  bool known = false;
  for (const proto::EmbeddingVariable& variable : model.embedding_variables()) {
    known = known || variable.name() == ask.request.variable();
    names += (names.empty() ? "" : ", ") + variable.name();
  }
  if (!known) {
    return InvalidArgument(
        "the model has no embedding variable \"{}\"; it has: {}", ask.request.variable(), names);
  }
  if (ask.keys.empty() || ask.keys.size() % sizeof(Key) != 0) {
    return InvalidArgument("{} bytes are no list of {}-byte keys", ask.keys.size(), sizeof(Key));
  }
  return absl::OkStatus();
}

}  // namespace

void Control::AnswerAsks() {
  while (!queue_.closed()) {
    std::optional<Ask> ask = queue_.Take();
    if (!ask.has_value()) {
      return;
    }
    std::visit([&](const auto& what) { Answer(what, std::move(ask->respond)); }, ask->what);
  }
}

void Control::RefuseAll() {
  while (std::optional<Ask> ask = queue_.Take()) {
    ask->respond(Unavailable("the coordinator stops"));
  }
  for (auto& [respond, version] : rollbacks_) {
    respond(
        Unavailable("version {} is committed, but the coordinator stops before training went "
                    "on from there",
                    version.value()));
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
  const VersionId target(request.version());
  if (const Status status = CheckRollbackTarget(context_, target); !status.ok()) {
    respond(status);
    return;
  }
  const StatusOr<Epoch> epoch = context_.store.LastEpoch();
  const auto committed =
      epoch.ok() ? CommitRollback(context_, numbers_, target, *epoch) : epoch.status();
  if (!committed.ok()) {
    respond(committed.status());
    if (absl::IsAborted(committed.status()) && session_.has_value()) {
      Rewind("rollback", committed.status().ToString());  // the log knows whether it happened
    }
    return;
  }
  const std::string text =
      fmt::format("to version {} by version {}", target.value(), committed->version());
  Record("rollback", text);
  rollbacks_.emplace_back(std::move(respond), VersionId(committed->version()));
  serving_.Tell(VersionId(committed->version()));
  board_.Update([&](Progress& progress) {
    progress.version = committed->version();
    progress.event_time_watermark_ms = committed->event_time_watermark_ms();
  });
  if (session_.has_value()) {
    Rewind("rollback", text);
  }
}

void Control::AnswerRollbacks() {
  for (auto& [respond, version] : rollbacks_) {
    proto::RollbackResponse response;
    response.set_version(version.value());
    respond(rpc::MakeMessage(response));
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

void Control::Answer(const DeleteKeysAsk& ask, rpc::Responder respond) {
  if (const Status status = CheckKeys(context_.options.model, ask); !status.ok()) {
    respond(status);
    return;
  }
  if (!session_.has_value()) {
    respond(NotTraining());
    return;
  }
  deletes_pending_ = true;  // even if only one server has carried it out
  const StatusOr<uint64_t> deleted = DeleteFromServers(ask);
  if (!deleted.ok()) {
    respond(Annotate(deleted.status(), "some keys may be deleted already"));
    if (absl::IsUnavailable(deleted.status()) || absl::IsAborted(deleted.status())) {
      Rewind("delete_failed", deleted.status().ToString());
    }
    return;
  }
  const CutResult result = MakeCut(true, context_.options.rpc_timeout);
  if (!result.committed) {
    respond(Annotate(result.status,
                     fmt::format("{} keys are deleted, but no version says so yet", *deleted)));
    return;
  }
  Record("delete",
         fmt::format("{} keys of {} by version {}",
                     *deleted,
                     ask.request.variable(),
                     result.manifest.version()));
  proto::DeleteKeysResponse response;
  response.set_deleted(*deleted);
  response.set_version(result.manifest.version());
  respond(rpc::MakeMessage(response));
}

StatusOr<uint64_t> Control::DeleteFromServers(const DeleteKeysAsk& ask) {
  proto::DeleteRequest request;
  request.set_epoch(session_->epoch.value());
  request.set_variable(ask.request.variable());
  std::vector<rpc::Message> messages;
  for (size_t i = 0; i < session_->servers.size(); ++i) {
    messages.push_back(rpc::MakeMessage(request, Buffer::CopyOf(ask.keys.bytes())));
  }
  FRESHET_ASSIGN_OR_RETURN(const auto answers,
                           CallEach(session_->servers,
                                    rpc::Method::kDelete,
                                    std::move(messages),
                                    context_.options.rpc_timeout,
                                    [this] { return GiveUpCut(); }));
  uint64_t deleted = 0;
  for (const rpc::Message& answer : answers) {
    FRESHET_ASSIGN_OR_RETURN(const auto response, rpc::ParseHead<proto::DeleteResponse>(answer));
    deleted += response.deleted();
  }
  return deleted;
}

}  // namespace freshet::coordinator
