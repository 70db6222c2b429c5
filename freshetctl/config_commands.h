#pragma once
#include <string>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

namespace freshet::freshetctl {

// Reads a cluster file and the worker config that it names, or a worker config. kExitConfig with
// all errors.
Outcome CheckConfig(const Context& context, const std::string& path);

// For scripts: a line for each process of the cluster, `name role rank host`, parted by tabs. With
// a key, only the value of that key: name, run_dir, log_dir, job or state_dir.
Outcome PrintPlan(const Context& context, const std::string& path, const std::string& key);

}  // namespace freshet::freshetctl
