#include "freshetctl/config_commands.h"

#include <map>
#include <utility>
#include <vector>

#include "common/cluster/cluster_config.h"
#include "common/config/config_file.h"
#include "common/config/nearest.h"
#include "common/job/job_config.h"

namespace freshet::freshetctl {
namespace {

// What only a worker config has at its top.
bool IsJob(const ConfigSection& root) {
  return !root.Has("cluster") && (root.Has("stream") || root.Has("slots") || root.Has("model"));
}

Outcome CheckJob(const Context& context, const std::string& path) {
  const StatusOr<JobConfig> job = LoadJobConfig(context.env.files, path);
  if (!job.ok()) {
    return Outcome::Config(job.status());
  }
  context.out << fmt::format(
      "{}: OK (worker config: model {}, {} slots, {} embedding and {} dense "
      "variables)\n",
      path,
      job->model.kind(),
      job->model.slots_size(),
      job->model.embedding_variables_size(),
      job->model.dense_variables_size());
  return {};
}

}  // namespace

Outcome CheckConfig(const Context& context, const std::string& path) {
  FileSystem& files = context.env.files;
  const auto file = ConfigFile::Load(files, path);
  if (!file.ok()) {
    return Outcome::Config(file.status());
  }
  if (IsJob((*file)->root())) {
    return CheckJob(context, path);
  }
  const StatusOr<ClusterConfig> cluster = ReadClusterConfig(**file);
  if (!cluster.ok()) {
    return Outcome::Config(cluster.status());
  }
  context.out << fmt::format("{}: OK (cluster file: {} ps, {} workers, {} serving)\n",
                             path,
                             cluster->ps.hosts.size(),
                             cluster->worker.hosts.size(),
                             cluster->serving.hosts.size());
  return CheckJob(context, cluster->worker.job);
}

Outcome PrintPlan(const Context& context, const std::string& path, const std::string& key) {
  const StatusOr<ClusterConfig> cluster = LoadClusterConfig(context.env.files, path);
  if (!cluster.ok()) {
    return Outcome::Config(cluster.status());
  }
  if (!key.empty()) {
    const std::map<std::string, std::string> values = {
        {"job", cluster->worker.job},
        {"log_dir", cluster->log_dir},
        {"name", cluster->name},
        {"run_dir", cluster->run_dir},
        {"state_dir", cluster->coordinator.state_dir}};
    const auto value = values.find(key);
    if (value == values.end()) {
      std::vector<std::string> keys;
      keys.reserve(values.size());
      for (const auto& entry : values) {
        keys.push_back(entry.first);
      }
      return Outcome::Usage(fmt::format("--key {}: {}", key, Suggestion(key, keys)));
    }
    context.out << value->second << "\n";
    return {};
  }
  const auto print =
      [&](const std::string& name, const std::string& role, size_t rank, const std::string& host) {
        context.out << fmt::format("{}\t{}\t{}\t{}\n", name, role, rank, host);
      };
  print("coordinator", "coordinator", 0, cluster->coordinator.host);
  for (const auto& [role, hosts] : {std::pair("ps", &cluster->ps.hosts),
                                    std::pair("worker", &cluster->worker.hosts),
                                    std::pair("serving", &cluster->serving.hosts)}) {
    for (size_t rank = 0; rank < hosts->size(); ++rank) {
      print(fmt::format("{}-{}", role, rank), role, rank, (*hosts)[rank]);
    }
  }
  return {};
}

}  // namespace freshet::freshetctl
