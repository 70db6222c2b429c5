#include "common/metrics/group_scores.h"

#include <algorithm>
#include <span>

namespace freshet {
namespace {

// The share of pairs in the right order, ties counted half. Ascending predictions of one group.
template <typename Scored>
double AucOf(std::span<const Scored> group, uint64_t positives, uint64_t negatives) {
  double ordered = 0.0;
  double negatives_below = 0.0;
  for (size_t begin = 0; begin < group.size();) {
    size_t end = begin;
    double positives_here = 0.0;
    double negatives_here = 0.0;
    for (; end < group.size() && group[end].prediction == group[begin].prediction; ++end) {
      (group[end].positive ? positives_here : negatives_here) += 1.0;
    }
    ordered += positives_here * (negatives_below + negatives_here / 2.0);
    negatives_below += negatives_here;
    begin = end;
  }
  return ordered / (static_cast<double>(positives) * static_cast<double>(negatives));
}

}  // namespace

GroupScores::GroupScores(const proto::Evaluation& evaluation) {
  const int count = std::min({evaluation.group_keys_size(),
                              evaluation.group_predictions_size(),
                              static_cast<int>(evaluation.group_labels().size())});
  scored_.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    Add(evaluation.group_keys(i),
        evaluation.group_predictions(i),
        evaluation.group_labels()[static_cast<size_t>(i)] == '1');
  }
}

void GroupScores::Add(Key group, float prediction, bool positive) {
  scored_.push_back({.group = group, .prediction = prediction, .positive = positive});
}

void GroupScores::Merge(const GroupScores& other) {
  scored_.insert(scored_.end(), other.scored_.begin(), other.scored_.end());
}

void GroupScores::StoreIn(proto::Evaluation* evaluation) const {
  for (const Scored& scored : scored_) {
    evaluation->add_group_keys(scored.group);
    evaluation->add_group_predictions(scored.prediction);
    evaluation->mutable_group_labels()->push_back(scored.positive ? '1' : '0');
  }
}

GroupScores::Gauc GroupScores::Compute() const {
  std::vector<Scored> sorted = scored_;
  std::sort(sorted.begin(), sorted.end(), [](const Scored& a, const Scored& b) {
    return a.group != b.group ? a.group < b.group : a.prediction < b.prediction;
  });
  Gauc gauc;
  for (size_t begin = 0; begin < sorted.size();) {
    size_t end = begin;
    uint64_t positives = 0;
    for (; end < sorted.size() && sorted[end].group == sorted[begin].group; ++end) {
      positives += sorted[end].positive ? 1 : 0;
    }
    const uint64_t samples = end - begin;
    if (positives > 0 && positives < samples) {
      gauc.samples += samples;
      gauc.sum += static_cast<double>(samples) *
                  AucOf(std::span<const Scored>(sorted).subspan(begin, samples),
                        positives,
                        samples - positives);
    }
    begin = end;
  }
  return gauc;
}

}  // namespace freshet
