#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/cluster/calibration_rules.h"
#include "common/cluster/gate_rules.h"
#include "common/cluster/partition_map.h"
#include "common/env/file_system.h"
#include "common/status.h"
#include "proto/model.pb.h"

namespace freshet {

// A cluster file: which processes make up a cluster, where they run and how. Every role reads the
// same file. docs/configuration.md documents each key; relative paths are relative to the file.

struct LogSettings {
  std::string level = "info";  // trace, debug, info, warn, error
  bool json = false;           // one JSON object a line instead of text
};

// What is done when something happens: a command, or a POST to a URL, with the event as JSON.
struct HookSettings {
  std::vector<std::string> on;  // kinds of events
  std::string command = {};     // for /bin/sh; or
  std::string url = {};         // http://host[:port]/path
  int64_t timeout_ms = 10'000;
  uint32_t retries = 5;
};

struct CoordinatorSettings {
  std::string host = "127.0.0.1";
  uint16_t port = 0;       // 0: any; found through run_dir. Several hosts need a fixed one
  uint16_t http_port = 0;  // metrics
  std::string state_dir;   // default: <run_dir>/coordinator
  int64_t cut_every_ms = 1000;
  uint32_t base_every = 1000;  // every so many versions is a base
  std::string report = {};     // folder; empty: <run_dir>/report
  bool final_base = false;     // the version made when the streams have ended is one
  proto::ServingValues serving_values = proto::AS_STORED;
  bool zstd = false;             // part files are compressed
  double base_growth = 1.0;      // or once deltas have so many times the bytes of the last one
  uint32_t keep_versions = 100;  // common/version_log/retention.h
  int64_t keep_for_ms = 3600LL * 1000;
  GateRules gate;
  std::optional<CalibrationRules> calibration;  // none: no base is taken in
  int64_t watermark_every_ms = 3600LL * 1000;   // event time between two events `watermark`
  std::vector<HookSettings> hooks;
  std::string publish;  // ZeroMQ address for events, as in "tcp://0.0.0.0:5580"; empty: none
  int64_t member_timeout_ms = 3000;  // a member silent for so long is dead
  int64_t rpc_timeout_ms = 10'000;   // of one step of a cut
  int64_t restore_timeout_ms = 600'000;
};

// Where a server's rows lie.
struct StorageSettings {
  bool on_ssd = false;      // rows that do not fit into dram_bytes
  uint64_t dram_bytes = 0;  // of each server
  std::string path;         // server i uses the folder <path>/ps-<i>; local to each host
};

struct PsSettings {
  std::vector<std::string> hosts = {"127.0.0.1"};  // one process each
  uint16_t port = 0;                               // server i listens on port + i; 0: any
  uint16_t http_port = 0;                          // likewise
  uint32_t owner_threads = 1;                      // each owns a share of its server's partitions
  uint32_t io_threads = 1;                         // for its connections
  StorageSettings storage;
};

struct WorkerSettings {
  std::vector<std::string> hosts = {"127.0.0.1"};
  uint16_t http_port = 0;  // worker i: http_port + i; 0: any
  std::string job;         // path of the worker config (common/job/job_config.h)
};

// The items that serving can recommend: a delimited file with a row for each.
struct CatalogueSettings {
  std::string path;  // empty: no recall, no recommend
  std::string delimiter = ",";
  bool quoted = false;
  bool header = false;
  std::vector<std::string> columns;
  std::string id_column;
  std::string title_column;  // empty: no titles
};

struct ServingSettings {
  std::vector<std::string> hosts = {"127.0.0.1"};
  uint16_t http_port = 0;  // node i: http_port + i; 0: any
  uint32_t http_threads = 1;
  int64_t poll_every_ms = 100;  // how often the log is looked at, beside being told
  CatalogueSettings catalogue;
};

struct ClusterConfig {
  std::string path;  // of this file, absolute
  std::string name;
  std::string run_dir;  // addresses, pids, process logs; local to each host
  std::string log_dir;  // the version log; every process must see the same
  uint32_t partition_count = kDefaultPartitionCount;
  LogSettings log;
  CoordinatorSettings coordinator;
  PsSettings ps;
  WorkerSettings worker;
  ServingSettings serving;
};

class ConfigFile;

// InvalidArgument: all that is wrong with the file, with lines.
StatusOr<ClusterConfig> LoadClusterConfig(FileSystem& files, const std::string& path);
// The same, from a file that has been opened.
StatusOr<ClusterConfig> ReadClusterConfig(ConfigFile& file);

// The port of the process of this rank: 0 stays 0, which means any.
inline uint16_t PortOfRank(uint16_t first, size_t rank) {
  return static_cast<uint16_t>(first == 0 ? 0 : first + rank);
}

}  // namespace freshet
