#include "serving/recommendable.h"

namespace freshet::serving {

Status CheckScores(const Snapshot& snapshot) {
  if (!snapshot.schema()->has_scores()) {
    return InvalidArgument("a model of kind {} has no scores; /v1/embeddings shows its rows",
                           snapshot.schema()->model().kind());
  }
  return absl::OkStatus();
}

Status CheckItems(const Snapshot& snapshot) {
  if (!snapshot.has_items()) {
    return FailedPrecondition("no items to choose from: {}", snapshot.items_problem());
  }
  return absl::OkStatus();
}

Status CheckRecall(const Snapshot& snapshot) {
  FRESHET_RETURN_IF_ERROR(CheckScores(snapshot));
  const std::string& kind = snapshot.schema()->model().kind();
  if (kind != "fm") {
    return InvalidArgument(
        "recall needs a model of kind fm, this one is of kind {}: {}; /v1/predict scores items",
        kind,
        kind == "lr" ? "it ranks all items alike for every context"
                     : "its score is no inner product of context and item");
  }
  return CheckItems(snapshot);
}

Status CheckRecommend(const Snapshot& snapshot) {
  FRESHET_RETURN_IF_ERROR(CheckScores(snapshot));
  if (snapshot.schema()->has_sides()) {
    return CheckRecall(snapshot);
  }
  FRESHET_RETURN_IF_ERROR(CheckItems(snapshot));
  if (snapshot.items()->size() > kMostCandidates) {
    return InvalidArgument(
        "the catalogue has {} items: a model of kind {} scores each of them, at most {}; choose "
        "some and ask /v1/predict",
        snapshot.items()->size(),
        snapshot.schema()->model().kind(),
        kMostCandidates);
  }
  return absl::OkStatus();
}

StatusOr<size_t> RecommendableItems(const Snapshot& snapshot) {
  FRESHET_RETURN_IF_ERROR(CheckItems(snapshot));
  FRESHET_RETURN_IF_ERROR(CheckRecommend(snapshot));
  return snapshot.items()->size();
}

}  // namespace freshet::serving
