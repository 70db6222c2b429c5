#pragma once
#include <string>
#include <vector>

#include "common/status.h"

namespace freshet {

// What a coordinator records; docs/events.md tells what each means.
const std::vector<std::string>& EventKinds();

// InvalidArgument for a kind that no event ever has: who waits for it would wait for ever.
Status CheckEventKinds(const std::vector<std::string>& kinds);

}  // namespace freshet
