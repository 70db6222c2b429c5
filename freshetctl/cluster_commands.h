#pragma once
#include <cstdint>
#include <string>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

// Commands to the coordinator that ask once.
namespace freshet::freshetctl {

Outcome PrintStatus(const Context& context, const Target& target, bool json);

// Has a version made now.
Outcome CutNow(const Context& context, const Target& target);

// Has versions removed that the rules of retention let go, or lists them.
Outcome CollectVersions(const Context& context, const Target& target, bool dry_run);

}  // namespace freshet::freshetctl
