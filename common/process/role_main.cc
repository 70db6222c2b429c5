#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "common/process/process.h"

namespace freshet {
namespace {

struct Flags {
  std::string config;
  uint32_t rank = 0;
  std::string log_level;  // empty: as the config says
};

// The exit code, if the flags alone decide it: wrong ones, --help, --version.
std::optional<int> ParseFlags(
    int argc, char** argv, const std::string& role, const std::string& description, Flags* flags) {
  const std::string program = "freshet-" + role;
  CLI::App app(description, program);
  app.add_option("--config", flags->config, "The cluster file (docs/configuration.md)")
      ->required()
      ->type_name("FILE");
  if (role != "coordinator") {
    app.add_option("--rank", flags->rank, "Which of its kind this process is, from 0");
  }
  app.add_option("--log-level", flags->log_level, "Overrides the cluster file's log.level")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
  app.set_version_flag("--version", program + " " + BuildVersion());
  app.footer(
      "Example:\n  " + program + " --config cluster.yaml" +
      (role == "coordinator" ? "" : " --rank 0") +
      "\n\nExit codes: 0 stopped by SIGTERM or SIGINT, 1 failure (try again), 64 wrong flags, "
      "78 wrong config.");
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
}

// How many processes of the role the cluster has.
size_t ProcessCount(const ClusterConfig& config, const std::string& role) {
  if (role == "ps") {
    return config.ps.hosts.size();
  }
  if (role == "worker") {
    return config.worker.hosts.size();
  }
  return role == "serving" ? config.serving.hosts.size() : 1;
}

int PrintError(const std::string& process, const Status& status, int exit_code) {
  std::fprintf(stderr, "%s: %s\n", process.c_str(), MessageOf(status).c_str());
  return exit_code;
}

Status AnnounceAddress(const RoleContext& context,
                       const std::string& process,
                       const RunningRole& role) {
  return WriteProcessAddress(context.env.files,
                             context.config.run_dir,
                             process,
                             {.rpc = role.rpc_address(),
                              .http = role.http_address(),
                              .pid = ::getpid(),
                              .build = context.build});
}

int RunRole(const RoleContext& context, const std::string& process, const StartRole& start) {
  auto role = start(context);
  if (!role.ok()) {
    const bool config_is_wrong = absl::IsInvalidArgument(role.status());
    spdlog::error("cannot start: {}", MessageOf(role.status()));
    return config_is_wrong ? kExitConfig : kExitFailure;
  }
  if (const Status status = AnnounceAddress(context, process, **role); !status.ok()) {
    spdlog::error("cannot start: {}", MessageOf(status));
    return kExitFailure;
  }
  spdlog::info("started pid={} rpc={} http={} build={}",
               ::getpid(),
               (*role)->rpc_address(),
               (*role)->http_address(),
               context.build);
  WaitForStopSignal();
  spdlog::info("stopping");
  role->reset();
  spdlog::info("stopped");
  return kExitOk;
}

int RunWithFlags(const Flags& flags, const std::string& role, const StartRole& start) {
  FileSystem& files = LocalFileSystem();
  const std::string process =
      role == "coordinator" ? role : role + "-" + std::to_string(flags.rank);
  auto config = LoadClusterConfig(files, flags.config);
  if (!config.ok()) {
    return PrintError(process, config.status(), kExitConfig);
  }
  if (const size_t count = ProcessCount(*config, role); flags.rank >= count) {
    return PrintError(process,
                      InvalidArgument("--rank {}: {} has {} {} process(es), and ranks begin at 0",
                                      flags.rank,
                                      flags.config,
                                      count,
                                      role),
                      kExitUsage);
  }
  if (!flags.log_level.empty()) {
    config->log.level = flags.log_level;
  }
  SetUpLogging(config->log, process);
  const auto transport = rpc::MakeTcpTransport(
      {.io_threads = role == "ps" ? static_cast<int>(config->ps.io_threads) : 1});
  const Env env{SystemClock(), SystemRandom(), files, *transport};
  return RunRole(
      {.config = *config, .rank = flags.rank, .env = env, .build = BuildVersion()}, process, start);
}

}  // namespace

int RunRoleMain(int argc,
                char** argv,
                const std::string& role,
                const std::string& description,
                const StartRole& start) {
  // A peer or a pipe that goes away is an error of one write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  KeepFreedMemory();
  BlockStopSignals();
  Flags flags;
  if (const auto exit_code = ParseFlags(argc, argv, role, description, &flags)) {
    return *exit_code;
  }
  try {
    return RunWithFlags(flags, role, start);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "freshet-%s: %s\n", role.c_str(), error.what());
    return kExitFailure;
  }
}

}  // namespace freshet
