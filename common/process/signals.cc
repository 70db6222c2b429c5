#include <csignal>

#include "common/check.h"
#include "common/process/process.h"

namespace freshet {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

void BlockStopSignals() {
  const sigset_t signals = StopSignals();
  FRESHET_CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
}

void WaitForStopSignal() {
  const sigset_t signals = StopSignals();
  int signal = 0;
  FRESHET_CHECK(sigwait(&signals, &signal) == 0);
}

bool WaitForStopSignalFor(std::chrono::milliseconds duration) {
  const sigset_t signals = StopSignals();
  const timespec limit{.tv_sec = duration.count() / 1000,
                       .tv_nsec = duration.count() % 1000 * 1'000'000};
  return sigtimedwait(&signals, nullptr, &limit) > 0;
}

}  // namespace freshet
