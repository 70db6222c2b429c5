#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/cluster/cluster_config.h"
#include "common/job/job_config.h"
#include "common/status.h"
#include "common/version_log/retention.h"
#include "proto/model.pb.h"

namespace freshet::coordinator {

// What the coordinator takes from the cluster file and the worker config.
struct Options {
  std::string log_dir;
  std::string state_dir;
  std::string report_dir;  // what was measured goes there at the end; empty: nowhere
  // How many of each the cluster has. Training needs all servers and workers, and no serving node.
  uint32_t servers = 1;
  uint32_t workers = 1;
  uint32_t serving = 1;
  uint32_t partition_count = kDefaultPartitionCount;
  proto::ModelSpec model;
  bool bsp = false;
  std::optional<uint64_t> staleness;  // in ssp
  std::vector<std::string> slices;    // names, as worker states have them

  std::chrono::milliseconds cut_every{1000};  // from start to start
  uint32_t base_every = 1000;
  double base_growth = 1.0;
  bool final_base = false;
  proto::ServingValues serving_values = proto::AS_STORED;
  bool zstd = false;  // part files are compressed
  Retention retention;
  GateRules gate;
  std::optional<EarlyStoppingSettings> early_stopping;
  std::optional<CalibrationRules> calibration;
  std::chrono::milliseconds watermark_every{3'600'000};
  std::vector<HookSettings> hooks;
  std::string publish;  // ZeroMQ address that events are published at; empty: none
  std::chrono::milliseconds heartbeat_every{300};
  std::chrono::milliseconds member_timeout{3000};
  std::chrono::milliseconds rpc_timeout{10'000};  // of one step of a cut
  std::chrono::milliseconds restore_timeout{600'000};
  std::chrono::milliseconds stop_timeout{5000};  // how long a last cut may hold up the end
};

// The number of the slice of held-out samples, the last one. There is one where something goes by
// it.
inline size_t HeldOutSlice(const Options& options) {
  return options.slices.empty() ? 0 : options.slices.size() - 1;
}

// InvalidArgument: the cluster asks for what the job does not have.
StatusOr<Options> MakeOptions(const ClusterConfig& cluster, const JobConfig& job);

}  // namespace freshet::coordinator
