#pragma once
#include <cstdint>
#include <vector>

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/job/job_config.h"
#include "common/model/batch.h"
#include "common/model/batch_builder.h"
#include "common/sample/sample_format.h"
#include "common/status.h"

namespace freshet::worker {

// Samples that are never learned, for measuring: a worker's share of the held-out stream, in
// memory. Which batch of them is scored with which step follows from the step alone, so that a
// rewind changes nothing. Immutable.
class HeldOut {
 public:
  // None is ever due.
  HeldOut() = default;

  // Sample i of the stream is worker i mod `workers`'s. Records that are no samples are logged and
  // left out. FailedPrecondition: the stream has no sample.
  static StatusOr<HeldOut> Load(FileSystem& files,
                                Clock& clock,
                                const JobConfig& job,
                                const SampleParser& parser,
                                const KeyDetails& details,
                                uint32_t worker,
                                uint32_t workers);

  // What is scored with the parameters of step `stream_step` of this worker; nullptr: nothing.
  const Batch* Due(uint64_t stream_step) const;

 private:
  std::vector<Batch> batches_;
  uint64_t every_ = 1;
};

}  // namespace freshet::worker
