#include "common/crash_point.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

namespace freshet {
namespace {

struct Armed {
  std::string name;
  long at = 1;
};

Armed ReadEnvironment() {
  const char* value = std::getenv("FRESHET_CRASH_AT");
  Armed armed{.name = value == nullptr ? "" : value, .at = 1};
  if (const size_t colon = armed.name.find(':'); colon != std::string::npos) {
    armed.at = std::strtol(armed.name.c_str() + colon + 1, nullptr, 10);
    armed.name.resize(colon);
  }
  return armed;
}

}  // namespace

void CrashPoint(const char* name) {
  static const Armed armed = ReadEnvironment();
  static std::atomic<long> passed{0};
  if (armed.name.empty() || armed.name != name) {
    return;
  }
  if (passed.fetch_add(1) + 1 == armed.at) {
    std::raise(SIGKILL);
  }
}

}  // namespace freshet
