#pragma once
#include <cstdint>
#include <vector>

#include "common/key.h"
#include "proto/manifest.pb.h"

namespace freshet {

// The AUC within groups of samples, such as those of one user: how well a model ranks what the same
// user sees. GAUC (Zhu et al. 2017) is the mean over the groups that have both labels, each
// weighted by its samples. Groups that several workers have seen in part are put together, so it
// merges without error. One thread.
class GroupScores {
 public:
  GroupScores() = default;
  explicit GroupScores(const proto::Evaluation& evaluation);

  void Add(Key group, float prediction, bool positive);
  void Merge(const GroupScores& other);
  void StoreIn(proto::Evaluation* evaluation) const;

  struct Gauc {
    uint64_t samples = 0;  // of groups that have both labels
    double sum = 0.0;      // of AUC times samples

    double value() const { return samples > 0 ? sum / static_cast<double>(samples) : 0.5; }
  };

  Gauc Compute() const;

 private:
  struct Scored {
    Key group = 0;
    float prediction = 0.0F;
    bool positive = false;
  };

  std::vector<Scored> scored_;
};

}  // namespace freshet
