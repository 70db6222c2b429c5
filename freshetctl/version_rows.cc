#include "freshetctl/version_rows.h"

#include <algorithm>
#include <utility>

namespace freshet::freshetctl {
namespace {

std::optional<FeatureLife> LifeAt(const std::vector<FeatureLife>& lives, size_t i) {
  return lives.empty() ? std::nullopt : std::optional(lives[i]);
}

void ApplyCandidates(const CandidateRows& candidates, std::map<Key, VersionRow>* table) {
  for (const Key key : candidates.tombstones) {
    table->erase(key);
  }
  for (size_t i = 0; i < candidates.keys.size(); ++i) {
    VersionRow& row = (*table)[candidates.keys[i]];
    row.frequency = candidates.frequencies[i];
    row.last_update = candidates.last_updates[i];
    row.life = LifeAt(candidates.lives, i);
  }
}

void Apply(const EmbeddingRows& rows, VersionTable* table) {
  for (const Key key : rows.tombstones) {
    table->rows.erase(key);
  }
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    const float* const values = rows.values.data() + i * rows.dim;
    const float* const states = rows.states.data() + i * rows.state_dim;
    table->rows[rows.keys[i]] = {
        .values = {values, values + rows.dim},
        .states = {states, states + rows.state_dim},
        .frequency = rows.frequencies[i],
        .last_update = rows.last_updates[i],
        .life = LifeAt(rows.lives, i),
        .served = rows.served.empty() ? std::nullopt : std::optional(rows.served[i] != 0)};
  }
  ApplyCandidates(rows.candidates, &table->candidates);
  for (size_t i = 0; i < rows.filter.blocks.size(); ++i) {
    const uint8_t* const counters = rows.filter.counters.data() + i * FilterBlocks::kBlockBytes;
    table->filter[rows.filter.blocks[i]].assign(counters, counters + FilterBlocks::kBlockBytes);
  }
  // Each part tells how far its owner thread has come.
  table->clock.step = std::max(table->clock.step, rows.clock.step);
  table->clock.event_time_s = std::max(table->clock.event_time_s, rows.clock.event_time_s);
}

}  // namespace

StatusOr<VersionModel> ReadVersion(FileSystem& files,
                                   const VersionLog& log,
                                   VersionId version,
                                   const std::string& variable) {
  VersionModel model;
  const auto wanted = [&](const std::string& name) { return variable.empty() || name == variable; };
  FRESHET_RETURN_IF_ERROR(ForEachPart(
      files, log, version, PartColumns::kAll, [&](const proto::Manifest&, PartContents contents) {
        for (const EmbeddingRows& rows : contents.embeddings) {
          if (wanted(rows.variable)) {
            Apply(rows, &model.embeddings[rows.variable]);
          }
        }
        for (DenseTensor& tensor : contents.dense) {
          if (wanted(tensor.variable)) {
            model.dense[tensor.variable] = std::move(tensor);
          }
        }
        return absl::OkStatus();
      }));
  return model;
}

}  // namespace freshet::freshetctl
