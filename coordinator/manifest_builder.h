#pragma once
#include <cstdint>
#include <vector>

#include "common/ids.h"
#include "common/version_log/version_log.h"
#include "proto/manifest.pb.h"
#include "proto/model.pb.h"

namespace freshet::coordinator {

// What a cut has gathered.
struct ManifestInputs {
  VersionId version;
  VersionId parent;
  bool full = false;
  Epoch epoch;
  int64_t now_unix_ms = 0;
  uint32_t partition_count = 0;
  const proto::ModelSpec& model;
  const proto::VersionMetrics& metrics_before;  // of the version before
  const std::vector<std::string>& slices;       // names
  std::vector<proto::PartFile> parts;
  std::vector<proto::WorkerState> states;  // by worker
};

// Watermark, newest arrival and metrics are those of all workers together.
proto::Manifest BuildManifest(ManifestInputs inputs);

// Adds to *states the positions of `head` that no worker reports, because their files are not
// listed at present: a version never forgets how far a partition was trained. Aborted if two
// workers report the same partition, which both have read then.
Status CompletePositions(const proto::Manifest& head, std::vector<proto::WorkerState>* states);

// Whether the states say no more than `head` does: no partition was read any further.
bool SameProgress(const proto::Manifest& head, const std::vector<proto::WorkerState>& states);

// Commits, and when the log cannot tell whether it did, reads the log. OK: committed. Aborted: it
// may or may not be. Any other: it is not.
Status CommitForSure(VersionLog& log, const proto::Manifest& manifest);

}  // namespace freshet::coordinator
