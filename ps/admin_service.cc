#include "ps/admin_service.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/model/find_variable.h"
#include "common/rpc/typed.h"
#include "ps/row_format.h"
#include "ps/split.h"

namespace freshet::ps {
namespace {

struct DeleteWork {
  Buffer payload;
  std::shared_ptr<Session> session;
  SplitPayload split;
  std::vector<uint32_t> threads;
  std::atomic<uint64_t> deleted = 0;
};

struct EvictWork {
  std::shared_ptr<const proto::ModelSpec> model;
  std::vector<uint32_t> variables;
  bool dry_run = false;
  std::vector<std::vector<EvictedRows>> by_thread;  // [owner threads][variables]
};

Status Prepare(const CurrentSession& current, const proto::DeleteRequest& request, DeleteWork& of) {
  FRESHET_ASSIGN_OR_RETURN(of.session, current.Find(request.epoch()));
  FRESHET_ASSIGN_OR_RETURN(const auto model, of.session->model());
  FRESHET_ASSIGN_OR_RETURN(
      of.split,
      SplitDelete(*model, of.session->ownership(), request.variable(), of.payload.bytes()));
  of.threads = of.split.Owners();
  if (of.threads.empty()) {
    of.threads.push_back(0);  // it checks the epoch
  }
  return absl::OkStatus();
}

Status Prepare(const Session& session, const proto::EvictRequest& request, EvictWork& of) {
  FRESHET_ASSIGN_OR_RETURN(of.model, session.model());
  of.dry_run = request.dry_run();
  if (!request.variable().empty()) {
    FRESHET_ASSIGN_OR_RETURN(const uint32_t variable,
                             FindEmbeddingVariable(*of.model, request.variable()));
    of.variables = {variable};
    return absl::OkStatus();
  }
  for (int i = 0; i < of.model->embedding_variables_size(); ++i) {
    of.variables.push_back(static_cast<uint32_t>(i));
  }
  return absl::OkStatus();
}

// Key, value, optimizer state and metadata.
uint64_t RowBytes(const proto::EmbeddingVariable& variable) {
  const uint32_t state_dim = MakeOptimizer(variable.optimizer(), variable.dim())->state_dim();
  return sizeof(Key) + RowFormat(variable, state_dim).record_bytes();
}

proto::Evictions ToProto(const proto::EmbeddingVariable& variable, const EvictedRows& evicted) {
  const uint64_t row_bytes = RowBytes(variable);
  proto::Evictions evictions;
  evictions.set_variable(variable.name());
  const auto add = [&](const char* rule, uint64_t rows) {
    if (rows > 0) {
      proto::RuleEvictions& of_rule = *evictions.add_rules();
      of_rule.set_rule(rule);
      of_rule.set_rows(rows);
      of_rule.set_bytes(rows * row_bytes);
    }
  };
  for (size_t reason = 1; reason < kEvictReasons; ++reason) {
    add(NameOf(static_cast<EvictReason>(reason)), evicted.by_reason[reason]);
  }
  add("max_bytes", evicted.capacity);
  return evictions;
}

Status EvictFrom(Shard& shard, EvictWork& work, size_t thread) {
  for (const uint32_t variable : work.variables) {
    EmbeddingTable& table = shard.embedding(variable);
    FRESHET_ASSIGN_OR_RETURN(const EvictedRows evicted,
                             work.dry_run ? table.WouldEvict() : table.EvictAll());
    work.by_thread[thread].push_back(evicted);
  }
  return absl::OkStatus();
}

proto::EvictResponse ResponseOf(const EvictWork& work) {
  proto::EvictResponse response;
  for (size_t i = 0; i < work.variables.size(); ++i) {
    EvictedRows sum;
    for (const std::vector<EvictedRows>& of_thread : work.by_thread) {
      sum += of_thread[i];
    }
    const auto variable = static_cast<int>(work.variables[i]);
    *response.add_variables() = ToProto(work.model->embedding_variables(variable), sum);
  }
  return response;
}

}  // namespace

AdminService::AdminService(CurrentSession& current, const OwnerThreads& owners, PsMetrics& metrics)
    : current_(current), owners_(owners), metrics_(metrics) {}

void AdminService::Register(rpc::Server& server) {
  rpc::HandleTyped<proto::DeleteRequest>(
      server,
      rpc::Method::kDelete,
      [this](const proto::DeleteRequest& request, Buffer body, rpc::Responder respond) {
        Delete(request, std::move(body), std::move(respond));
      });
  rpc::HandleTyped<proto::EvictRequest>(
      server,
      rpc::Method::kEvict,
      [this](const proto::EvictRequest& request, Buffer /*body*/, rpc::Responder respond) {
        Evict(request, std::move(respond));
      });
  rpc::HandleTyped<proto::ExplainRequest>(
      server,
      rpc::Method::kExplain,
      [this](const proto::ExplainRequest& request, Buffer /*body*/, rpc::Responder respond) {
        Explain(request, std::move(respond));
      });
}

void AdminService::Run(const std::vector<uint32_t>& threads,
                       Epoch epoch,
                       absl::AnyInvocable<Status(Shard&, size_t) const> work,
                       absl::AnyInvocable<void(Status)> done) const {
  std::vector<OwnerThread*> picked;
  picked.reserve(threads.size());
  for (const uint32_t thread : threads) {
    picked.push_back(owners_[thread].get());
  }
  FanOut(picked, epoch, std::move(work), std::move(done));
}

void AdminService::Delete(const proto::DeleteRequest& request,
                          Buffer payload,
                          rpc::Responder respond) {
  const auto work = std::make_shared<DeleteWork>();
  work->payload = std::move(payload);
  if (const Status status = Prepare(current_, request, *work); !status.ok()) {
    respond(status);
    return;
  }
  Run(
      work->threads,
      work->session->epoch(),
      [work](Shard& shard, size_t i) -> Status {
        for (const OwnedRun& run : work->split.by_owner[work->threads[i]]) {
          FRESHET_ASSIGN_OR_RETURN(const uint64_t deleted,
                                   shard.embedding(run.variable).Delete(run.keys));
          work->deleted += deleted;
        }
        return absl::OkStatus();
      },
      [this, work, respond = std::move(respond)](const Status& status) mutable {
        if (!status.ok()) {
          respond(status);
          return;
        }
        metrics_.deleted_rows.Increment(static_cast<double>(work->deleted));
        proto::DeleteResponse response;
        response.set_deleted(work->deleted);
        respond(rpc::MakeMessage(response));
      });
}

void AdminService::Evict(const proto::EvictRequest& request, rpc::Responder respond) {
  const StatusOr<std::shared_ptr<Session>> session = current_.Find(request.epoch());
  const auto work = std::make_shared<EvictWork>();
  const Status status =
      session.ok() ? Prepare(**session, request, *work) : Status(session.status());
  if (!status.ok()) {
    respond(status);
    return;
  }
  work->by_thread.resize(owners_.size());
  FanOutToAll(
      owners_,
      (*session)->epoch(),
      [work](Shard& shard, size_t thread) { return EvictFrom(shard, *work, thread); },
      [work, respond = std::move(respond)](const Status& finished) mutable {
        if (finished.ok()) {
          respond(rpc::MakeMessage(ResponseOf(*work)));
        } else {
          respond(finished);
        }
      });
}

void AdminService::Explain(const proto::ExplainRequest& request, rpc::Responder respond) {
  const StatusOr<std::shared_ptr<Session>> session = current_.Find(request.epoch());
  uint32_t variable = 0;
  const Status status = [&]() -> Status {
    FRESHET_RETURN_IF_ERROR(session.status());
    FRESHET_ASSIGN_OR_RETURN(const auto model, (*session)->model());
    FRESHET_ASSIGN_OR_RETURN(variable, FindEmbeddingVariable(*model, request.variable()));
    return CheckOwned(request.variable(), (*session)->ownership(), request.key());
  }();
  if (!status.ok()) {
    respond(status);
    return;
  }
  const Ownership& ownership = (*session)->ownership();
  const auto response = std::make_shared<proto::ExplainResponse>();
  Run(
      {ownership.ThreadOf(ownership.partitions().PartitionOf(request.key()))},
      (*session)->epoch(),
      [response, variable, key = request.key(), slot = request.slot()](Shard& shard,
                                                                       size_t) -> Status {
        FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> lines,
                                 shard.embedding(variable).Explain(key, slot));
        response->mutable_lines()->Assign(lines.begin(), lines.end());
        return absl::OkStatus();
      },
      [response, respond = std::move(respond)](const Status& finished) mutable {
        if (finished.ok()) {
          respond(rpc::MakeMessage(*response));
        } else {
          respond(finished);
        }
      });
}

}  // namespace freshet::ps
