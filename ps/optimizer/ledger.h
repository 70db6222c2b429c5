#pragma once
#include <memory>

#include "ps/optimizer/optimizer.h"

namespace freshet::ps {

// Two uint64, little-endian, in the place of four floats.
inline constexpr uint32_t kLedgerDim = 4;

std::unique_ptr<Optimizer> MakeLedger();

}  // namespace freshet::ps
