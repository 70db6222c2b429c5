#pragma once
#include <optional>
#include <vector>

#include "common/job/job_config.h"
#include "common/key.h"
#include "common/model/batch.h"
#include "common/status.h"
#include "proto/model.pb.h"

namespace freshet::worker {

// Tells of the samples of a batch which slices they belong to, and which group. Immutable.
class ScoreGroups {
 public:
  // InvalidArgument: no such slot, or a value that its slot cannot have.
  static StatusOr<ScoreGroups> Make(const EvaluationSettings& settings,
                                    const proto::ModelSpec& model);

  bool empty() const { return !group_slot_ && slices_.empty(); }

  struct Membership {
    uint32_t slices = 0;  // a bit each
    std::optional<Key> group;
  };

  Membership Of(const Batch& batch, size_t sample) const;

 private:
  struct SliceKey {
    uint16_t slot = 0;
    Key key = 0;
    uint32_t bit = 0;
  };

  std::optional<uint16_t> group_slot_;
  std::vector<SliceKey> slices_;
};

}  // namespace freshet::worker
