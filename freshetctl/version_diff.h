#pragma once
#include <cstdint>
#include <string>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

namespace freshet::freshetctl {

struct DiffOptions {
  uint64_t before = 0;
  uint64_t after = 0;
  std::string variable;  // empty: all
  uint32_t top = 10;     // rows shown, those that changed most
};

// Which rows two versions have differently, and by how much: for each variable how many came, went
// and changed, and the rows whose values moved furthest (by the L2 norm of the difference). Holds
// both versions in memory.
Outcome DiffVersions(const Context& context,
                     const std::string& log_directory,
                     const DiffOptions& options);

}  // namespace freshet::freshetctl
