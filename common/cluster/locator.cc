#include "common/cluster/locator.h"

#include <yaml-cpp/yaml.h>

namespace freshet {
namespace {

std::string AddressPath(const std::string& run_dir, const std::string& name) {
  return run_dir + "/" + name + ".address";
}

std::string Render(const ProcessAddress& address) {
  YAML::Emitter text;
  text << YAML::BeginMap;
  text << YAML::Key << "rpc" << YAML::Value << YAML::DoubleQuoted << address.rpc;
  text << YAML::Key << "http" << YAML::Value << YAML::DoubleQuoted << address.http;
  text << YAML::Key << "pid" << YAML::Value << address.pid;
  text << YAML::Key << "build" << YAML::Value << YAML::DoubleQuoted << address.build;
  text << YAML::EndMap;
  return std::string(text.c_str()) + "\n";
}

// yaml-cpp throws; nothing of it leaves this function.
StatusOr<ProcessAddress> Parse(const std::string& path, const std::string& text) {
  try {
    const YAML::Node node = YAML::Load(text);
    return ProcessAddress{.rpc = node["rpc"].as<std::string>(),
                          .http = node["http"].as<std::string>(),
                          .pid = node["pid"].as<int64_t>(),
                          .build = node["build"].as<std::string>()};
  } catch (const YAML::Exception& error) {
    return DataLoss(
        "{} is no address file (a map of rpc, http, pid and build): {}", path, error.what());
  }
}

}  // namespace

Status WriteProcessAddress(FileSystem& files,
                           const std::string& run_dir,
                           const std::string& name,
                           const ProcessAddress& address) {
  FRESHET_RETURN_IF_ERROR(files.CreateDirectories(run_dir));
  return WriteFileAtomically(files, AddressPath(run_dir, name), Render(address));
}

StatusOr<ProcessAddress> ReadProcessAddress(FileSystem& files,
                                            const std::string& run_dir,
                                            const std::string& name) {
  const std::string path = AddressPath(run_dir, name);
  FRESHET_ASSIGN_OR_RETURN(const std::string text, ReadFile(files, path));
  return Parse(path, text);
}

StatusOr<std::string> LocateCoordinator(FileSystem& files, const ClusterConfig& config) {
  if (config.coordinator.port != 0) {
    return fmt::format("{}:{}", config.coordinator.host, config.coordinator.port);
  }
  FRESHET_ASSIGN_OR_RETURN(const ProcessAddress address,
                           ReadProcessAddress(files, config.run_dir, "coordinator"));
  return address.rpc;
}

}  // namespace freshet
