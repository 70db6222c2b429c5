#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include "common/cluster/broken_sessions.h"
#include "common/process/process.h"
#include "local/local_cluster.h"
#include "local/local_transport.h"
#include "local/progress.h"

namespace freshet::local {
namespace {

constexpr std::chrono::milliseconds kReportEvery{1000};
constexpr std::chrono::milliseconds kLookForEndEvery{20};

struct Flags {
  std::string config;
  std::string log_level = "warn";
  bool until_finished = false;
};

std::optional<int> ParseFlags(int argc, char** argv, Flags* flags) {
  CLI::App app("All roles of a cluster file in one process, with a line of progress a second.",
               "freshet-local");
  app.add_option("--config", flags->config, "The cluster file (docs/configuration.md)")
      ->required()
      ->type_name("FILE");
  app.add_flag("--until-finished",
               flags->until_finished,
               "Exit when every stream has ended and serving has the last version");
  app.add_option("--log-level", flags->log_level, "What to log to stderr: warn")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
  app.set_version_flag("--version", std::string("freshet-local ") + BuildVersion());
  app.footer("Example:\n  freshet-local --config cluster.yaml --until-finished");
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
}

void Print(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

// Until a signal comes, or, if that is what was asked for, the run is done or cannot get on. The
// end has a line of its own, so that what is printed last is how it ended.
Status Report(const Flags& flags, Progress* progress) {
  const auto look_every = flags.until_finished ? kLookForEndEvery : kReportEvery;
  std::chrono::milliseconds to_next_report{0};
  BrokenSessions broken;
  do {
    const auto status = progress->Ask();
    const bool done = flags.until_finished && status.ok() && AllDone(*status);
    to_next_report -= look_every;
    if (done || to_next_report.count() < 0) {
      Print(status.ok() ? ProgressLine(*status) : MessageOf(status.status()));
      to_next_report = kReportEvery - look_every;
    }
    if (done) {
      return absl::OkStatus();
    }
    if (flags.until_finished && status.ok()) {
      FRESHET_RETURN_IF_ERROR(broken.Check(*status));
    }
  } while (!WaitForStopSignalFor(look_every));
  return absl::OkStatus();
}

int Run(const Flags& flags) {
  auto config = LoadClusterConfig(LocalFileSystem(), flags.config);
  if (!config.ok()) {
    std::fprintf(stderr, "freshet-local: %s\n", MessageOf(config.status()).c_str());
    return kExitConfig;
  }
  config->log.level = flags.log_level;
  SetUpLogging(config->log, "local");
  const auto transport = MakeLocalTransport();
  const Env env{SystemClock(), SystemRandom(), LocalFileSystem(), *transport};
  const auto cluster = LocalCluster::Start(*config, env);
  if (!cluster.ok()) {
    std::fprintf(stderr, "freshet-local: %s\n", MessageOf(cluster.status()).c_str());
    return absl::IsInvalidArgument(cluster.status()) ? kExitConfig : kExitFailure;
  }
  for (const auto& [name, address] : (*cluster)->serving()) {
    Print(fmt::format("{} answers on http://{}", name, address));
  }
  Progress progress(*transport, (*cluster)->coordinator());
  if (const Status status = Report(flags, &progress); !status.ok()) {
    std::fprintf(stderr, "freshet-local: %s\n", MessageOf(status).c_str());
    return kExitFailure;
  }
  return kExitOk;
}

}  // namespace
}  // namespace freshet::local

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    freshet::KeepFreedMemory();
    freshet::BlockStopSignals();
    freshet::local::Flags flags;
    if (const auto exit_code = freshet::local::ParseFlags(argc, argv, &flags)) {
      return *exit_code;
    }
    return freshet::local::Run(flags);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "freshet-local: %s\n", error.what());
    return freshet::kExitFailure;
  }
}
