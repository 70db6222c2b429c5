#include "local/local_cluster.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "common/cluster/locator.h"
#include "coordinator/role.h"
#include "ps/role.h"
#include "serving/role.h"
#include "worker/role.h"

namespace freshet::local {

LocalCluster::LocalCluster(const ClusterConfig& config, const Env& env)
    : config_(config), env_(env) {}

LocalCluster::~LocalCluster() {
  // The coordinator first, or it would take the others' end for failures.
  if (!roles_.empty()) {
    roles_.front().reset();
  }
  while (!roles_.empty()) {
    roles_.pop_back();
  }
}

StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Start(const ClusterConfig& config,
                                                            const Env& env) {
  std::unique_ptr<LocalCluster> cluster(new LocalCluster(config, env));
  FRESHET_RETURN_IF_ERROR(cluster->StartAll());
  return cluster;
}

// The coordinator first: the others ask it for a place.
Status LocalCluster::StartAll() {
  FRESHET_RETURN_IF_ERROR(StartOne("coordinator", 0, StartCoordinator));
  coordinator_ = roles_.back()->rpc_address();
  for (uint32_t rank = 0; rank < config_.ps.hosts.size(); ++rank) {
    FRESHET_RETURN_IF_ERROR(StartOne(fmt::format("ps-{}", rank), rank, ps::StartPs));
  }
  for (uint32_t rank = 0; rank < config_.worker.hosts.size(); ++rank) {
    FRESHET_RETURN_IF_ERROR(StartOne(fmt::format("worker-{}", rank), rank, worker::StartWorker));
  }
  for (uint32_t rank = 0; rank < config_.serving.hosts.size(); ++rank) {
    const std::string name = fmt::format("serving-{}", rank);
    FRESHET_RETURN_IF_ERROR(StartOne(name, rank, serving::StartServing));
    serving_.emplace_back(name, roles_.back()->http_address());
  }
  return absl::OkStatus();
}

Status LocalCluster::StartOne(const std::string& name, uint32_t rank, const StartRole& start) {
  contexts_.emplace_back(new RoleContext{config_, rank, env_, BuildVersion()});
  auto role = start(*contexts_.back());
  if (!role.ok()) {
    return Annotate(role.status(), name);
  }
  roles_.push_back(*std::move(role));
  return WriteProcessAddress(env_.files,
                             config_.run_dir,
                             name,
                             {.rpc = roles_.back()->rpc_address(),
                              .http = roles_.back()->http_address(),
                              .pid = ::getpid(),
                              .build = BuildVersion()});
}

}  // namespace freshet::local
