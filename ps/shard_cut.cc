// A cut of a shard: flipped in one go, copied in slices, handed over in pieces.
#include <utility>

#include "common/check.h"
#include "ps/shard.h"

namespace freshet::ps {
namespace {

// Rows between two looks at the queue: some 0.1 ms.
constexpr size_t kSliceRows = 1000;
// Pieces that are being written, or wait for it, while the next is copied.
constexpr size_t kMostPiecesOut = 2;

// Says nothing that the versions before do not say.
bool IsEmpty(const EmbeddingRows& rows) {
  return rows.keys.empty() && rows.tombstones.empty() && rows.candidates.keys.empty() &&
         rows.candidates.tombstones.empty() && rows.filter.blocks.empty() &&
         rows.clock == StreamClock();
}

}  // namespace

CutSize Shard::BeginCut(bool full) {
  CutSize size;
  for (const auto& table : embeddings_) {
    const CutSize of_table = table->BeginCut(full);
    size.rows += of_table.rows;
    size.tombstones += of_table.tombstones;
  }
  for (const auto& table : dense_) {
    if (table != nullptr) {
      table->BeginCut(full);
    }
  }
  return size;
}

void Shard::StartCopy(TakePiece take) {
  FRESHET_CHECK(!take_piece_);
  take_piece_ = std::move(take);
  copying_ = 0;
  pieces_out_ = 0;
}

void Shard::PieceWritten() {
  pieces_out_ -= pieces_out_ > 0 ? 1 : 0;
}

bool Shard::CopySlice() {
  while (copying_ < embeddings_.size()) {
    EmbeddingTable& table = *embeddings_[copying_];
    if (table.copied_bytes() >= storage_.piece_bytes) {
      if (pieces_out_ == kMostPiecesOut) {
        return false;  // until PieceWritten
      }
      CutPiece piece;
      piece.contents.embeddings.push_back(table.TakePiece());
      ++pieces_out_;
      take_piece_(std::move(piece));
    }
    if (table.CopyCut(kSliceRows)) {
      return true;
    }
    ++copying_;
  }
  std::exchange(take_piece_, nullptr)(TakeLastPiece());
  return false;
}

CutPiece Shard::TakeLastPiece() {
  CutPiece piece;
  piece.last = true;
  for (const auto& table : embeddings_) {
    EmbeddingRows rows = table->TakeCut();
    if (!IsEmpty(rows)) {
      piece.contents.embeddings.push_back(std::move(rows));
    }
    if (std::unique_ptr<ColdColumns> cold = table->TakeColdCut()) {
      piece.cold.push_back(std::move(cold));
    }
  }
  for (const auto& table : dense_) {
    if (table == nullptr) {
      continue;
    }
    if (std::optional<DenseTensor> tensor = table->TakeCut()) {
      piece.contents.dense.push_back(*std::move(tensor));
    }
  }
  return piece;
}

void Shard::EndCut(std::optional<VersionId> committed) {
  for (const auto& table : embeddings_) {
    table->EndCut(committed.has_value());
  }
  for (const auto& table : dense_) {
    if (table != nullptr) {
      table->EndCut(committed.has_value());
    }
  }
  clean_version_ = committed.value_or(clean_version_);
  GiveUpCopy(Aborted("the cut ended before it was copied"));
}

void Shard::GiveUpCopy(const Status& why) {
  if (take_piece_) {
    std::exchange(take_piece_, nullptr)(why);
  }
}

}  // namespace freshet::ps
