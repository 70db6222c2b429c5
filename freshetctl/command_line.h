#pragma once
#include <string>
#include <vector>

#include "freshetctl/context.h"

namespace freshet::freshetctl {

// Carries out one command line, the program's name left out. Returns the exit code (ExitCode in
// common/process/process.h); what went wrong is said on context.err.
int Run(const std::vector<std::string>& arguments, const Context& context);

}  // namespace freshet::freshetctl
