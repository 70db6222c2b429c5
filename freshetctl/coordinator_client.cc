#include "freshetctl/coordinator_client.h"

#include "common/cluster/cluster_config.h"
#include "common/cluster/locator.h"

namespace freshet::freshetctl {

StatusOr<std::string> CoordinatorClient::Locate() const {
  if (!target_.coordinator.empty()) {
    return target_.coordinator;
  }
  FRESHET_ASSIGN_OR_RETURN(const ClusterConfig config,
                           LoadClusterConfig(env_.files, target_.config));
  auto address = LocateCoordinator(env_.files, config);
  if (absl::IsNotFound(address.status())) {
    return NotFound("the coordinator of {} has left no address in {}: is the cluster running?",
                    target_.config,
                    config.run_dir);
  }
  return address;
}

Status CoordinatorClient::Connect() {
  FRESHET_ASSIGN_OR_RETURN(std::string address, Locate());
  if (channel_ == nullptr || address != address_) {
    channel_ = env_.transport.Connect(address);
    address_ = std::move(address);
  }
  return absl::OkStatus();
}

}  // namespace freshet::freshetctl
