#include "common/env/random.h"

#include <random>

namespace freshet {
namespace {

class DeviceRandom final : public Random {
 public:
  uint64_t Next() override {
    std::random_device device;
    return (static_cast<uint64_t>(device()) << 32U) | device();
  }
};

}  // namespace

Random& SystemRandom() {
  static DeviceRandom random;
  return random;
}

}  // namespace freshet
