#include "common/version_log/part_check.h"

#include <algorithm>

#include "common/version_log/safetensors.h"

namespace freshet {
namespace {

Status CheckRows(const EmbeddingRows& rows) {
  const uint64_t count = rows.keys.size();
  if (rows.dim == 0 || rows.values.size() != count * rows.dim ||
      rows.states.size() != count * rows.state_dim || rows.frequencies.size() != count ||
      rows.last_updates.size() != count) {
    return InvalidArgument(
        "variable '{}': {} keys with dim {} and state_dim {} do not go with {} values, {} states, "
        "{} frequencies, {} last updates",
        rows.variable,
        count,
        rows.dim,
        rows.state_dim,
        rows.values.size(),
        rows.states.size(),
        rows.frequencies.size(),
        rows.last_updates.size());
  }
  if ((!rows.lives.empty() && rows.lives.size() != count) ||
      (!rows.served.empty() && rows.served.size() != count)) {
    return InvalidArgument("variable '{}': {} keys do not go with {} lives and {} served flags",
                           rows.variable,
                           count,
                           rows.lives.size(),
                           rows.served.size());
  }
  const auto flag =
      std::find_if(rows.served.begin(), rows.served.end(), [](uint8_t is) { return is > 1; });
  if (flag != rows.served.end()) {
    return InvalidArgument("variable '{}': a served flag is {}, not 0 or 1", rows.variable, *flag);
  }
  return absl::OkStatus();
}

Status CheckCandidates(const EmbeddingRows& rows) {
  const CandidateRows& candidates = rows.candidates;
  const size_t count = candidates.keys.size();
  if (candidates.frequencies.size() != count || candidates.last_updates.size() != count ||
      (!candidates.lives.empty() && candidates.lives.size() != count)) {
    return InvalidArgument(
        "variable '{}': {} candidates do not go with {} frequencies, {} last updates, {} lives",
        rows.variable,
        count,
        candidates.frequencies.size(),
        candidates.last_updates.size(),
        candidates.lives.size());
  }
  return absl::OkStatus();
}

Status CheckFilter(const EmbeddingRows& rows) {
  if (rows.filter.counters.size() != rows.filter.blocks.size() * FilterBlocks::kBlockBytes) {
    return InvalidArgument("variable '{}': {} filter blocks do not go with {} counters",
                           rows.variable,
                           rows.filter.blocks.size(),
                           rows.filter.counters.size());
  }
  return absl::OkStatus();
}

Status CheckDense(const DenseTensor& tensor) {
  const StatusOr<uint64_t> elements = ElementCount({tensor.shape.begin(), tensor.shape.end()});
  if (!elements.ok() || *elements != tensor.values.size()) {
    return InvalidArgument("dense variable '{}': {} values do not have its shape",
                           tensor.variable,
                           tensor.values.size());
  }
  return absl::OkStatus();
}

}  // namespace

Status CheckPart(const PartContents& contents) {
  for (const EmbeddingRows& rows : contents.embeddings) {
    FRESHET_RETURN_IF_ERROR(CheckRows(rows));
    FRESHET_RETURN_IF_ERROR(CheckCandidates(rows));
    FRESHET_RETURN_IF_ERROR(CheckFilter(rows));
  }
  for (const DenseTensor& tensor : contents.dense) {
    FRESHET_RETURN_IF_ERROR(CheckDense(tensor));
  }
  return absl::OkStatus();
}

}  // namespace freshet
