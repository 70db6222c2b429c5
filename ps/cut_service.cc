#include "ps/cut_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "common/rpc/typed.h"
#include "common/version_log/sort_columns.h"
#include "ps/bad_rows.h"
#include "ps/storage.h"

namespace freshet::ps {
// Gathers the part files of a version. What follows the responder is the writing thread's.
struct CutService::PartCollector {
  std::shared_ptr<Session> session;
  uint64_t version = 0;
  float row_limit = 0.0F;
  proto::ServingValues serving_values = proto::AS_STORED;
  bool zstd = false;
  std::chrono::nanoseconds start;
  rpc::Responder respond;

  size_t remaining = 0;  // owner threads
  Status status;
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
      piece_bytes_(ShareOf(options.storage, options.owner_threads).piece_bytes),
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
  collector->row_limit = request.row_limit();
  collector->serving_values = request.serving_values();
  collector->zstd = request.zstd();
  collector->start = clock_.Monotonic();
  collector->respond = std::move(respond);
  collector->remaining = owners_.size();
  collector->parts.resize(owners_.size());
  CopyAndWrite(collector);
}

void CutService::CopyAndWrite(const std::shared_ptr<PartCollector>& collector) {
  for (uint32_t thread = 0; thread < owners_.size(); ++thread) {
    const auto take = [this, collector, thread](StatusOr<CutPiece> piece) {
      if (piece.ok() && piece->last) {
        metrics_.cut_copy_seconds.Observe(SecondsSince(collector->start));
      }
      writer_.Post([this, collector, thread, piece = std::move(piece)]() mutable {
        WritePiece(*collector, thread, std::move(piece));
      });
    };
    owners_[thread]->Post([collector, take](Shard& shard) {
      if (const Status status = shard.CheckEpoch(collector->session->epoch()); !status.ok()) {
        take(status);
      } else {
        shard.StartCopy(take);
      }
    });
  }
}

void CutService::WritePiece(PartCollector& collector, uint32_t thread, StatusOr<CutPiece> piece) {
  Status status = piece.status();
  if (status.ok() && collector.status.ok()) {
    status = WriteContents(collector, thread, std::move(piece->contents));
  }
  if (status.ok() && collector.status.ok()) {
    status = WriteCold(collector, thread, piece->cold);
  }
  collector.status.Update(status);
  if (!piece.ok() || piece->last) {
    FinishShard(collector);
  } else {
    owners_[thread]->Post([](Shard& shard) { shard.PieceWritten(); });
  }
}

// Some rows at a time, so that the memory that a cut takes does not grow with those on disk.
Status CutService::WriteCold(PartCollector& collector,
                             uint32_t thread,
                             std::span<const std::unique_ptr<ColdColumns>> tables) {
  for (const std::unique_ptr<ColdColumns>& cold : tables) {
    while (true) {
      FRESHET_ASSIGN_OR_RETURN(EmbeddingRows rows, cold->Next(piece_bytes_));
      if (rows.keys.empty()) {
        break;
      }
      PartContents contents;
      contents.embeddings.push_back(std::move(rows));
      FRESHET_RETURN_IF_ERROR(WriteContents(collector, thread, std::move(contents)));
    }
  }
  return absl::OkStatus();
}

// Nothing has no file.
Status CutService::WriteContents(PartCollector& collector, uint32_t thread, PartContents contents) {
  if (contents.embeddings.empty() && contents.dense.empty()) {
    return absl::OkStatus();
  }
  Parts& parts = collector.parts[thread];
  FRESHET_ASSIGN_OR_RETURN(
      proto::PartFile part,
      WritePartFile(collector, PartName(collector, thread, parts.size()), std::move(contents)));
  parts.push_back(std::move(part));
  return absl::OkStatus();
}

StatusOr<proto::PartFile> CutService::WritePartFile(const PartCollector& collector,
                                                    const std::string& name,
                                                    PartContents contents) {
  const std::chrono::nanoseconds start = clock_.Monotonic();
  for (EmbeddingRows& rows : contents.embeddings) {
    SortByKey(rows);
    rows.serving_values = collector.serving_values;
  }
  FRESHET_ASSIGN_OR_RETURN(
      proto::PartFile part,
      WritePart(files_, log_.VersionDirectory(VersionId(collector.version)), name, contents));
  part.set_bad_rows(CountBadRows(contents, collector.row_limit));
  const Ownership& ownership = collector.session->ownership();
  part.set_server(ownership.server());
  part.set_first_partition(ownership.first_partition());
  part.set_end_partition(ownership.end_partition());
  metrics_.cut_rows.Increment(static_cast<double>(part.rows()));
  metrics_.cut_tombstones.Increment(static_cast<double>(part.tombstones()));
  metrics_.cut_bytes.Increment(static_cast<double>(part.bytes()));
  metrics_.cut_write_seconds.Observe(SecondsSince(start));
  return part;
}

// "part-1-0.safetensors", the further ones "part-1-0-1.safetensors" and so on; or with ".zst".
std::string CutService::PartName(const PartCollector& collector, uint32_t thread, size_t number) {
  return fmt::format("part-{}-{}{}.safetensors{}",
                     collector.session->ownership().server(),
                     thread,
                     number == 0 ? "" : fmt::format("-{}", number),
                     collector.zstd ? ".zst" : "");
}

void CutService::FinishShard(PartCollector& collector) {
  if (--collector.remaining > 0) {
    return;
  }
  Parts all;
  for (Parts& of_thread : collector.parts) {
    std::move(of_thread.begin(), of_thread.end(), std::back_inserter(all));
  }
  Status status = collector.status;
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
      [committed = request.committed(), version = VersionId(request.version())](Shard& shard,
                                                                                size_t) {
        shard.EndCut(committed ? std::optional(version) : std::nullopt);
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
