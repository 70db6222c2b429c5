#include "tests/common/process/role_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "common/check.h"

namespace freshet {

RoleProcess::RoleProcess(const std::vector<std::string>& flags, const StartRole& start) {
  std::array<int, 2> ends{};
  FRESHET_CHECK(::pipe(ends.data()) == 0);
  pipe_ = ends[0];
  // Or the child would print again what the test has printed and not yet flushed.
  std::cout.flush();
  std::fflush(nullptr);
  pid_ = ::fork();
  FRESHET_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    std::vector<std::string> words = {"freshet-ps"};
    words.insert(words.end(), flags.begin(), flags.end());
    std::vector<char*> arguments;
    arguments.reserve(words.size());
    for (std::string& word : words) {
      arguments.push_back(word.data());
    }
    const int code = RunRoleMain(
        static_cast<int>(arguments.size()), arguments.data(), "ps", "A role under test.", start);
    std::fflush(nullptr);
    ::_exit(code);
  }
  ::close(ends[1]);
}

RoleProcess::~RoleProcess() {
  if (pid_ != 0) {
    ::kill(pid_, SIGKILL);
    Wait();
  }
  ::close(pipe_);
}

void RoleProcess::Signal(int signal) const {
  FRESHET_CHECK(::kill(pid_, signal) == 0);
}

int RoleProcess::Wait() {
  std::array<char, 4096> bytes{};
  for (ssize_t got = ::read(pipe_, bytes.data(), bytes.size()); got > 0;
       got = ::read(pipe_, bytes.data(), bytes.size())) {
    output_.append(bytes.data(), static_cast<size_t>(got));
  }
  int status = 0;
  FRESHET_CHECK(::waitpid(pid_, &status, 0) == pid_);
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace freshet
