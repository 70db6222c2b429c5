#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

// Commands to the coordinator that ask once.
namespace freshet::freshetctl {

Outcome PrintStatus(const Context& context, const Target& target, bool json);

// Makes `version` the model of today again, by a new version; says its number.
Outcome RollBack(const Context& context, const Target& target, uint64_t version);

// Has a version made now.
Outcome CutNow(const Context& context, const Target& target);

// Deletes rows of an embedding variable. A key is a number, decimal or 0x..., or slot=value, as a
// sample would have it.
Outcome DeleteKeys(const Context& context,
                   const Target& target,
                   const std::string& variable,
                   const std::vector<std::string>& keys);

}  // namespace freshet::freshetctl
