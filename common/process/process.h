#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/cluster/cluster_config.h"
#include "common/cluster/locator.h"
#include "common/env/env.h"
#include "common/status.h"

// What the mains of all roles share: flags, config, logging, signals, exit codes.
namespace freshet {

// The program's version, as --version prints it.
const char* BuildVersion();

// docs/operations.md lists them; the supervisor restarts a process that exits with kFailure or by a
// signal, and no other.
enum ExitCode : int {
  kExitOk = 0,       // stopped by SIGTERM or SIGINT, or the work is done
  kExitFailure = 1,  // could not start or go on; a later try may succeed
  kExitUsage = 64,   // wrong flags
  kExitConfig = 78,  // wrong config file
};

// A role that runs on threads of its own until it is destroyed.
class RunningRole {
 public:
  virtual ~RunningRole() = default;

  virtual std::string rpc_address() const = 0;
  virtual std::string http_address() const = 0;
};

struct RoleContext {
  const ClusterConfig& config;
  uint32_t rank = 0;  // which of its kind
  const Env& env;
  std::string build;  // BuildVersion()

  StatusOr<std::string> LocateCoordinator() const {
    return freshet::LocateCoordinator(env.files, config);
  }
};

using StartRole = std::function<StatusOr<std::unique_ptr<RunningRole>>(const RoleContext&)>;

// The main of a role's program: parses --config, --rank, --log-level, --version and --help, starts
// the role, writes its address, waits for SIGTERM or SIGINT, stops it. Returns the exit code.
int RunRoleMain(int argc,
                char** argv,
                const std::string& role,
                const std::string& description,
                const StartRole& start);

// Sets up spdlog's default logger: to stderr, text or JSON lines with time, level, process,
// message.
void SetUpLogging(const LogSettings& settings, const std::string& process);

// Has malloc keep what was freed, up to 64 MiB at the end of a heap, for the next batch. By default
// glibc gives a payload's pages back once it is sent, and the kernel clears others for the next
// one: that took a third of the time of a pull. For a process whose payloads come and go all the
// time.
void KeepFreedMemory();

// Blocks SIGTERM and SIGINT in this thread and all it starts; before any other thread.
void BlockStopSignals();
// Returns when one of them arrives.
void WaitForStopSignal();
// The same, at most for so long: false if none arrived.
bool WaitForStopSignalFor(std::chrono::milliseconds duration);

}  // namespace freshet
