#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "common/model/batch.h"
#include "worker/key_split.h"
#include "worker/stream_state.h"

namespace freshet::worker {

// A batch on its way: read, pulled, computed, pushed. Who holds it changes in that order; while it
// is with the servers nobody else touches what they read or fill.
struct Step {
  uint64_t number = 0;  // from 1 in each session; also the sequence of its push
  bool last = false;    // carries no batch: says that no more will follow
  // Batches that this worker has trained since its stream began, this one included.
  uint64_t stream_step = 0;
  Batch batch;
  StreamState after;  // once the batch is trained

  // Filled by PsClient::Pull. Per variable of the model.
  std::vector<KeySplit> splits;
  std::vector<std::vector<float>> embeddings;  // [keys * dim]
  std::vector<std::vector<float>> dense;

  // Samples that are scored with this step's parameters and not learned; null: none. Pulled too.
  std::shared_ptr<Step> held_out;

  // To be pushed; same shapes.
  std::vector<std::vector<float>> embedding_gradients;
  std::vector<std::vector<float>> dense_gradients;

  bool pulled = false;  // guarded by Progress
};

}  // namespace freshet::worker
