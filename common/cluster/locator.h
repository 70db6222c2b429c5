#pragma once
#include <string>

#include "common/cluster/cluster_config.h"
#include "common/env/file_system.h"
#include "common/status.h"

// How processes find each other: each writes its addresses under run_dir once it listens.
namespace freshet {

struct ProcessAddress {
  std::string rpc;
  std::string http;
  int64_t pid = 0;
  std::string build;
};

// Name of a process: "coordinator", "ps-0", "worker-1", "serving-0".
Status WriteProcessAddress(FileSystem& files,
                           const std::string& run_dir,
                           const std::string& name,
                           const ProcessAddress& address);
// NotFound until the process listens.
StatusOr<ProcessAddress> ReadProcessAddress(FileSystem& files,
                                            const std::string& run_dir,
                                            const std::string& name);

// The coordinator's rpc address: the configured one, or with port 0 what it wrote under run_dir.
StatusOr<std::string> LocateCoordinator(FileSystem& files, const ClusterConfig& config);

}  // namespace freshet
