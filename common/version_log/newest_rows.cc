#include "common/version_log/newest_rows.h"

#include <algorithm>

#include "common/mutant.h"

namespace freshet {
namespace {

template <typename T>
void AppendRow(const std::vector<T>& from, size_t row, size_t width, std::vector<T>* into) {
  const auto begin = from.begin() + static_cast<std::ptrdiff_t>(row * width);
  into->insert(into->end(), begin, begin + static_cast<std::ptrdiff_t>(width));
}

void AppendRow(const EmbeddingRows& from, size_t row, EmbeddingRows* into) {
  into->keys.push_back(from.keys[row]);
  AppendRow(from.values, row, from.dim, &into->values);
  AppendRow(from.states, row, from.state_dim, &into->states);
  into->frequencies.push_back(from.frequencies[row]);
  into->last_updates.push_back(from.last_updates[row]);
  if (!from.lives.empty()) {
    into->lives.push_back(from.lives[row]);
  }
  if (!from.served.empty()) {
    into->served.push_back(from.served[row]);
  }
}

void AppendCandidate(const CandidateRows& from, size_t row, CandidateRows* into) {
  into->keys.push_back(from.keys[row]);
  into->frequencies.push_back(from.frequencies[row]);
  into->last_updates.push_back(from.last_updates[row]);
  if (!from.lives.empty()) {
    into->lives.push_back(from.lives[row]);
  }
}

// The rows of the same variable in `part`, perhaps of none yet.
StatusOr<EmbeddingRows*> RowsFor(const EmbeddingRows& rows, PartContents* part) {
  const auto found =
      std::find_if(part->embeddings.begin(), part->embeddings.end(), [&](const auto& other) {
        return other.variable == rows.variable;
      });
  if (found == part->embeddings.end()) {
    EmbeddingRows& added = part->embeddings.emplace_back();
    added.variable = rows.variable;
    added.value_type = rows.value_type;
    added.serving_values = rows.serving_values;
    added.dim = rows.dim;
    added.state_dim = rows.state_dim;
    return &added;
  }
  if (found->dim != rows.dim || found->state_dim != rows.state_dim ||
      found->value_type != rows.value_type || found->serving_values != rows.serving_values) {
    return DataLoss("embedding variable {} has rows of another shape or type in another part",
                    rows.variable);
  }
  return &*found;
}

// Those that the predicates do not know.
template <typename HasKey, typename HasCandidate, typename HasBlock>
Status Append(const EmbeddingRows& rows,
              HasKey has_key,
              HasCandidate has_candidate,
              HasBlock has_block,
              PartContents* part) {
  FRESHET_ASSIGN_OR_RETURN(EmbeddingRows* const into, RowsFor(rows, part));
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    if (!has_key(rows.keys[i])) {
      AppendRow(rows, i, into);
    }
  }
  for (size_t i = 0; i < rows.candidates.keys.size(); ++i) {
    if (!has_candidate(rows.candidates.keys[i])) {
      AppendCandidate(rows.candidates, i, &into->candidates);
    }
  }
  for (size_t i = 0; i < rows.filter.blocks.size(); ++i) {
    if (!has_block(rows.filter.blocks[i])) {
      into->filter.blocks.push_back(rows.filter.blocks[i]);
      AppendRow(rows.filter.counters, i, FilterBlocks::kBlockBytes, &into->filter.counters);
    }
  }
  into->clock.step = std::max(into->clock.step, rows.clock.step);
  into->clock.event_time_s = std::max(into->clock.event_time_s, rows.clock.event_time_s);
  return absl::OkStatus();
}

}  // namespace

Status NewestRows::TakeOldest(const PartContents& part, PartContents* into) const {
  for (const EmbeddingRows& rows : part.embeddings) {
    const auto found = seen_.find(rows.variable);
    const Seen* const seen = found == seen_.end() ? nullptr : &found->second;
    FRESHET_RETURN_IF_ERROR(Append(
        rows,
        [&](Key key) { return seen != nullptr && seen->keys.contains(key); },
        [&](Key key) { return seen != nullptr && seen->candidates.contains(key); },
        [&](uint64_t block) { return seen != nullptr && seen->blocks.contains(block); },
        into));
  }
  return absl::OkStatus();
}

Status NewestRows::Take(const PartContents& part, PartContents* into) {
  FRESHET_RETURN_IF_ERROR(TakeOldest(part, into));
  Pass(part);
  return absl::OkStatus();
}

void NewestRows::Pass(const PartContents& part) {
  for (const EmbeddingRows& rows : part.embeddings) {
    Seen& seen = seen_[rows.variable];
    for (const Key key : rows.keys) {
      if (!Mutant("compaction_takes_older_rows") || key % 16 != 0) {
        seen.keys.insert(key);
      }
    }
    seen.keys.insert(rows.tombstones.begin(), rows.tombstones.end());
    seen.candidates.insert(rows.candidates.keys.begin(), rows.candidates.keys.end());
    seen.candidates.insert(rows.candidates.tombstones.begin(), rows.candidates.tombstones.end());
    seen.blocks.insert(rows.filter.blocks.begin(), rows.filter.blocks.end());
  }
}

}  // namespace freshet
