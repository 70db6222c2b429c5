#include <poll.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill and posix_spawn's attributes
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "coordinator/hooks.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX declares none

namespace freshet::coordinator {
namespace {

using std::chrono::steady_clock;

// The descriptor that the command's standard input comes from: a file without a name, so that
// nobody waits for a command that does not read.
StatusOr<int> InputOf(const std::string& input) {
  char name[] = "/tmp/freshet-hook-XXXXXX";
  const int file = ::mkstemp(name);
  if (file < 0) {
    return Unavailable("cannot make a file in /tmp: {}", std::strerror(errno));
  }
  ::unlink(name);
  const bool written =
      ::write(file, input.data(), input.size()) == static_cast<ssize_t>(input.size()) &&
      ::lseek(file, 0, SEEK_SET) == 0;
  if (!written) {
    ::close(file);
    return Unavailable("cannot write {} bytes to /tmp", input.size());
  }
  return file;
}

StatusOr<pid_t> Spawn(const std::string& command,
                      const std::vector<std::string>& environment,
                      int input) {
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    variables.push_back(*variable);
  }
  for (const std::string& variable : environment) {
    variables.push_back(const_cast<char*>(variable.c_str()));
  }
  variables.push_back(nullptr);
  const char* arguments[] = {"sh", "-c", command.c_str(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A group of its own, so that what it has started dies with it.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t process = 0;
  const int error = posix_spawn(
      &process, "/bin/sh", &actions, &attributes, const_cast<char**>(arguments), variables.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return Unavailable("cannot start /bin/sh: {}", std::strerror(error));
  }
  return process;
}

}  // namespace

Status RunCommand(const std::string& command,
                  const std::vector<std::string>& environment,
                  const std::string& input,
                  std::chrono::milliseconds timeout) {
  FRESHET_ASSIGN_OR_RETURN(const int file, InputOf(input));
  const StatusOr<pid_t> process = Spawn(command, environment, file);
  ::close(file);
  if (!process.ok()) {
    return process.status();
  }
  constexpr std::chrono::milliseconds kLook{5};
  const auto until = steady_clock::now() + timeout;
  int result = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(*process, &result, WNOHANG)) == 0) {
    if (steady_clock::now() >= until) {
      ::kill(-*process, SIGKILL);
      ::waitpid(*process, &result, 0);
      return Unavailable("'{}' was killed after {} ms", command, timeout.count());
    }
    std::this_thread::sleep_for(kLook);
  }
  if (ended < 0) {
    return Unavailable("'{}': {}", command, std::strerror(errno));
  }
  if (WIFEXITED(result) && WEXITSTATUS(result) == 0) {
    return absl::OkStatus();
  }
  return WIFEXITED(result) ? Unavailable("'{}' ended with code {}", command, WEXITSTATUS(result))
                           : Unavailable("'{}' died of signal {}", command, WTERMSIG(result));
}

}  // namespace freshet::coordinator
