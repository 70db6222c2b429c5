#pragma once
#include "common/cluster/cluster_config.h"
#include "common/config/config_file.h"

namespace freshet {

// Checks what ports and hosts must agree on, and fails the keys at fault:
//  - a run of ports (port + rank) stays below 65536;
//  - no port of a host is given to two listeners;
//  - if others run on another host, the coordinator has a fixed port on a host they can reach.
void CheckPorts(const ClusterConfig& config, const ConfigSection& root);

}  // namespace freshet
