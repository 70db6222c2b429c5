#include "ps/cut_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "common/rpc/typed.h"
#include "ps/cut_columns.h"

namespace freshet::ps {
namespace {

// Some 40 MB with 16 floats and as many of state.
constexpr size_t kColdRowsInPart = 256 * 1024;

}  // namespace

// Gathers the part files of a version, one answer per owner thread.
struct CutService::PartCollector {
  std::shared_ptr<Session> session;
  uint64_t version = 0;
  std::chrono::nanoseconds start;
  rpc::Responder respond;

  std::mutex mutex;
  size_t remaining = 0;
  Status first_error;
  std::vector<Parts> parts;  // by thread
};

CutService::CutService(const PsOptions& options,
                       CurrentSession& current,
                       const OwnerThreads& owners,
                       PsMetrics& metrics,
                       const Clock& clock,
                       FileSystem& files)
    : current_(current),
      owners_(owners),
      metrics_(metrics),
      clock_(clock),
      files_(files),
      log_(files, options.log_directory) {}

void CutService::Register(rpc::Server& server) {
  rpc::HandleTyped<proto::CutRequest>(
      server,
      rpc::Method::kCut,
      [this](const proto::CutRequest& request, Buffer /*body*/, rpc::Responder respond) {
        Cut(request, std::move(respond));
      });
  rpc::HandleTyped<proto::WriteCutRequest>(
      server,
      rpc::Method::kWriteCut,
      [this](const proto::WriteCutRequest& request, Buffer /*body*/, rpc::Responder respond) {
        WriteCut(request, std::move(respond));
      });
  rpc::HandleTyped<proto::EndCutRequest>(
      server,
      rpc::Method::kEndCut,
      [this](const proto::EndCutRequest& request, Buffer /*body*/, rpc::Responder respond) {
        EndCut(request, std::move(respond));
      });
}

double CutService::SecondsSince(std::chrono::nanoseconds start) const {
  return std::chrono::duration<double>(clock_.Monotonic() - start).count();
}

void CutService::Cut(const proto::CutRequest& request, rpc::Responder respond) {
  const std::chrono::nanoseconds start = clock_.Monotonic();
  StatusOr<std::shared_ptr<Session>> found = current_.Find(request.epoch());
  if (!found.ok()) {
    respond(found.status());
    return;
  }
  const std::lock_guard lock(order_mutex_);
  if (const Status status = (*found)->cut().BeginFlip(request.version()); !status.ok()) {
    respond(status);
    return;
  }
  const auto sizes = std::make_shared<std::vector<CutSize>>(owners_.size());
  FanOutToAll(
      owners_,
      (*found)->epoch(),
      [sizes, full = request.full()](Shard& shard, size_t thread) {
        (*sizes)[thread] = shard.BeginCut(full);
        return absl::OkStatus();
      },
      [this,
       start,
       sizes,
       session = *found,
       version = request.version(),
       respond = std::move(respond)](const Status& status) mutable {
        if (!status.ok()) {
          respond(status);
          return;
        }
        session->cut().EndFlip(version);
        proto::CutResponse response;
        for (const CutSize& size : *sizes) {
          response.set_rows(response.rows() + size.rows);
          response.set_tombstones(response.tombstones() + size.tombstones);
        }
        metrics_.cut_flip_seconds.Observe(SecondsSince(start));
        respond(rpc::MakeMessage(response));
      });
}

void CutService::WriteCut(const proto::WriteCutRequest& request, rpc::Responder respond) {
  StatusOr<std::shared_ptr<Session>> found = current_.Find(request.epoch());
  if (!found.ok()) {
    respond(found.status());
    return;
  }
  const std::lock_guard lock(order_mutex_);
  auto begun = (*found)->cut().BeginWrite(request.version());
  if (!begun.ok()) {
    respond(begun.status());
    return;
  }
  if (*begun) {  // written already, asked again
    proto::WriteCutResponse response;
    response.mutable_parts()->Assign((*begun)->begin(), (*begun)->end());
    respond(rpc::MakeMessage(response));
    return;
  }
  const auto collector = std::make_shared<PartCollector>();
  collector->session = *found;
  collector->version = request.version();
  collector->start = clock_.Monotonic();
  collector->respond = std::move(respond);
  collector->remaining = owners_.size();
  collector->parts.resize(owners_.size());
  CopyAndWrite(collector);
}

void CutService::CopyAndWrite(const std::shared_ptr<PartCollector>& collector) {
  for (uint32_t thread = 0; thread < owners_.size(); ++thread) {
    owners_[thread]->Post([this, collector, thread](Shard& shard) {
      if (const Status status = shard.CheckEpoch(collector->session->epoch()); !status.ok()) {
        FinishShard(*collector, thread, status);
        return;
      }
      shard.StartCopy([this, collector, thread](StatusOr<ShardCut> copied) {
        if (!copied.ok()) {
          FinishShard(*collector, thread, copied.status());
          return;
        }
        metrics_.cut_copy_seconds.Observe(SecondsSince(collector->start));
        writer_.Post([this, collector, thread, cut = *std::move(copied)]() mutable {
          FinishShard(*collector, thread, WriteShard(*collector, thread, std::move(cut)));
        });
      });
    });
  }
}

// First what was in memory, with the tombstones: they are applied before the rows. Then the rows
// on disk, some at a time, so that the memory that a cut takes does not grow with them.
StatusOr<CutService::Parts> CutService::WriteShard(const PartCollector& collector,
                                                   uint32_t thread,
                                                   ShardCut cut) {
  Parts parts;
  const auto write = [&](PartContents contents) -> Status {
    if (contents.embeddings.empty() && contents.dense.empty()) {
      return absl::OkStatus();
    }
    FRESHET_ASSIGN_OR_RETURN(
        proto::PartFile part,
        WritePartFile(collector, PartName(collector, thread, parts.size()), std::move(contents)));
    parts.push_back(std::move(part));
    return absl::OkStatus();
  };
  FRESHET_RETURN_IF_ERROR(write(std::move(cut.contents)));
  for (const std::unique_ptr<ColdColumns>& cold : cut.cold) {
    while (true) {
      FRESHET_ASSIGN_OR_RETURN(EmbeddingRows rows, cold->Next(kColdRowsInPart));
      if (rows.keys.empty()) {
        break;
      }
      PartContents contents;
      contents.embeddings.push_back(std::move(rows));
      FRESHET_RETURN_IF_ERROR(write(std::move(contents)));
    }
  }
  return parts;
}

StatusOr<proto::PartFile> CutService::WritePartFile(const PartCollector& collector,
                                                    const std::string& name,
                                                    PartContents contents) {
  const std::chrono::nanoseconds start = clock_.Monotonic();
  for (EmbeddingRows& rows : contents.embeddings) {
    SortByKey(rows);
  }
  FRESHET_ASSIGN_OR_RETURN(
      proto::PartFile part,
      WritePart(files_, log_.VersionDirectory(VersionId(collector.version)), name, contents));
  part.set_server(collector.session->ownership().server());
  metrics_.cut_rows.Increment(static_cast<double>(part.rows()));
  metrics_.cut_tombstones.Increment(static_cast<double>(part.tombstones()));
  metrics_.cut_bytes.Increment(static_cast<double>(part.bytes()));
  metrics_.cut_write_seconds.Observe(SecondsSince(start));
  return part;
}

// "part-1-0.safetensors", the further ones "part-1-0-1.safetensors" and so on.
std::string CutService::PartName(const PartCollector& collector, uint32_t thread, size_t number) {
  return fmt::format("part-{}-{}{}.safetensors",
                     collector.session->ownership().server(),
                     thread,
                     number == 0 ? "" : fmt::format("-{}", number));
}

void CutService::FinishShard(PartCollector& collector, uint32_t thread, StatusOr<Parts> parts) {
  {
    const std::lock_guard lock(collector.mutex);
    collector.first_error.Update(parts.status());
    if (parts.ok()) {
      collector.parts[thread] = *std::move(parts);
    }
    if (--collector.remaining > 0) {
      return;
    }
  }
  // The last one; nobody else touches the collector any more.
  Parts all;
  for (Parts& of_thread : collector.parts) {
    std::move(of_thread.begin(), of_thread.end(), std::back_inserter(all));
  }
  Status status = collector.first_error;
  status.Update(collector.session->cut().EndWrite(collector.version,
                                                  status.ok() ? std::optional(all) : std::nullopt));
  if (!status.ok()) {
    collector.respond(status);
    return;
  }
  proto::WriteCutResponse response;
  response.mutable_parts()->Assign(all.begin(), all.end());
  collector.respond(rpc::MakeMessage(response));
}

void CutService::EndCut(const proto::EndCutRequest& request, rpc::Responder respond) {
  StatusOr<std::shared_ptr<Session>> found = current_.Find(request.epoch());
  if (!found.ok()) {
    respond(found.status());
    return;
  }
  const std::lock_guard lock(order_mutex_);
  const StatusOr<bool> ends = (*found)->cut().End(request.version(), request.committed());
  if (!ends.ok()) {
    respond(ends.status());
    return;
  }
  if (!*ends) {
    respond(rpc::MakeMessage(proto::EndCutResponse()));
    return;
  }
  metrics_.cuts_given_up.Increment(request.committed() ? 0 : 1);
  FanOutToAll(
      owners_,
      (*found)->epoch(),
      [committed = request.committed()](Shard& shard, size_t) {
        shard.EndCut(committed);
        return absl::OkStatus();
      },
      [respond = std::move(respond)](const Status& status) mutable {
        if (status.ok()) {
          respond(rpc::MakeMessage(proto::EndCutResponse()));
        } else {
          respond(status);
        }
      });
}

}  // namespace freshet::ps
