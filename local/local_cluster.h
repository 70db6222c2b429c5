#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/cluster/cluster_config.h"
#include "common/env/env.h"
#include "common/process/process.h"
#include "common/status.h"

namespace freshet::local {

// Every role of a cluster file, in this process. They write their addresses as processes of their
// own would, so that freshetctl finds them.
class LocalCluster {
 public:
  // `config` and `env` outlive the cluster. Errors name the role that could not start.
  static StatusOr<std::unique_ptr<LocalCluster>> Start(const ClusterConfig& config, const Env& env);
  // Stops the roles.
  ~LocalCluster();

  // Name and HTTP address of each serving node.
  const std::vector<std::pair<std::string, std::string>>& serving() const { return serving_; }

  const std::string& coordinator() const { return coordinator_; }

 private:
  LocalCluster(const ClusterConfig& config, const Env& env);

  Status StartAll();
  Status StartOne(const std::string& name, uint32_t rank, const StartRole& start);

  const ClusterConfig& config_;
  const Env& env_;
  std::string coordinator_;
  std::vector<std::pair<std::string, std::string>> serving_;
  std::vector<std::unique_ptr<RoleContext>> contexts_;  // borrowed by the roles
  std::vector<std::unique_ptr<RunningRole>> roles_;
};

}  // namespace freshet::local
