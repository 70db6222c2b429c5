#include "common/cluster/cluster_ports.h"

#include <algorithm>
#include <map>
#include <utility>

namespace freshet {
namespace {

constexpr size_t kMaxPort = 65535;

// Who listens on a port of a host, to find two of them.
class PortTable {
 public:
  // The listeners of a role: rank i on hosts[i], port first + i. Nothing if any port will do.
  void Add(const ConfigSection& section,
           const char* role,
           const char* key,
           const std::vector<std::string>& hosts,
           uint16_t first) {
    if (first == 0) {
      return;
    }
    if (first + hosts.size() - 1 > kMaxPort) {
      section.Fail(key,
                   fmt::format("must be at most {}, since {} processes take a port each, got {}",
                               kMaxPort + 1 - hosts.size(),
                               hosts.size(),
                               first));
      return;
    }
    for (size_t i = 0; i < hosts.size(); ++i) {
      const std::string who = fmt::format("{} {} ({}.{})", role, i, role, key);
      const uint16_t port = PortOfRank(first, i);
      const auto [taken, is_new] = listeners_.emplace(std::pair(hosts[i], port), who);
      if (!is_new) {
        section.Fail(
            key,
            fmt::format(
                "gives port {} of {} to {}, but {} has it", port, hosts[i], who, taken->second));
        return;
      }
    }
  }

 private:
  std::map<std::pair<std::string, uint16_t>, std::string> listeners_;
};

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host.starts_with("127.") || host == "::1";
}

void CheckReachable(const ClusterConfig& config, const ConfigSection& coordinator) {
  const std::string& own = config.coordinator.host;
  for (const auto* hosts : {&config.ps.hosts, &config.worker.hosts, &config.serving.hosts}) {
    const auto other = std::find_if(hosts->begin(), hosts->end(), [&](const std::string& host) {
      return host != own && !(IsLoopback(host) && IsLoopback(own));
    });
    if (other == hosts->end()) {
      continue;
    }
    if (config.coordinator.port == 0) {
      coordinator.Fail("port",
                       fmt::format("must be fixed, since {} cannot look it up on {}", *other, own));
    }
    if (IsLoopback(own) || IsLoopback(*other)) {
      coordinator.Fail("host",
                       fmt::format("is {}, and another process runs on {}: they cannot reach each "
                                   "other; give the name of each host",
                                   own,
                                   *other));
    }
    return;
  }
}

}  // namespace

void CheckPorts(const ClusterConfig& config, const ConfigSection& root) {
  const ConfigSection coordinator = root.Section("coordinator");
  const ConfigSection ps = root.Section("ps");
  const CoordinatorSettings& own = config.coordinator;
  PortTable table;
  table.Add(coordinator, "coordinator", "port", {own.host}, own.port);
  table.Add(coordinator, "coordinator", "http_port", {own.host}, own.http_port);
  table.Add(ps, "ps", "port", config.ps.hosts, config.ps.port);
  table.Add(ps, "ps", "http_port", config.ps.hosts, config.ps.http_port);
  table.Add(
      root.Section("worker"), "worker", "http_port", config.worker.hosts, config.worker.http_port);
  table.Add(root.Section("serving"),
            "serving",
            "http_port",
            config.serving.hosts,
            config.serving.http_port);
  CheckReachable(config, coordinator);
}

}  // namespace freshet
