#pragma once
#include <cstdint>
#include <string>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

// Commands to the coordinator that ask once.
namespace freshet::freshetctl {

Outcome PrintStatus(const Context& context, const Target& target, bool json);

// Makes `version` the model of today again, by a new version; says its number.
Outcome RollBack(const Context& context, const Target& target, uint64_t version);

// Has a version made now.
Outcome CutNow(const Context& context, const Target& target);

}  // namespace freshet::freshetctl
