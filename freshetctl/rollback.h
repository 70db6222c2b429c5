#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

namespace freshet::freshetctl {

struct RollbackOptions {
  std::optional<uint64_t> version;
  std::string before;              // instead of a version: a time
  bool keep_positions = false;     // nothing since is learned again
  std::vector<std::string> skips;  // FROM..TO, SLOT=VALUE, SLOT=VALUE@FROM..TO
  bool forget_skips = false;       // rules of earlier rollbacks end
};

// What is wrong with the options, if anything.
Outcome CheckRollback(const RollbackOptions& options);

// Has the coordinator make a version the model of today again.
Outcome RollBack(const Context& context, const Target& target, const RollbackOptions& options);

}  // namespace freshet::freshetctl
