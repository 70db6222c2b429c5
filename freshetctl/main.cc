#include <unistd.h>

#include <csignal>
#include <exception>
#include <iostream>

#include "common/process/process.h"
#include "freshetctl/command_line.h"

int main(int argc, char** argv) {
  using namespace freshet;  // NOLINT(google-build-using-namespace): main wires, nothing else
  std::signal(SIGPIPE, SIG_IGN);
  SetUpLogging({.level = "error"}, "freshetctl");
  try {
    const auto transport = rpc::MakeTcpTransport();
    const Env env{SystemClock(), SystemRandom(), LocalFileSystem(), *transport};
    return freshetctl::Run({argv + 1, argv + argc},
                           {.env = env,
                            .in = std::cin,
                            .out = std::cout,
                            .err = std::cerr,
                            .terminal = ::isatty(STDOUT_FILENO) == 1});
  } catch (const std::exception& error) {
    std::cerr << "freshetctl: " << error.what() << "\n";
    return kExitFailure;
  }
}
