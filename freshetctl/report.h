#pragma once
#include <string>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

namespace freshet::freshetctl {

// Writes into `folder` the report (common/report/report.h) of the versions that are still in a log.
Outcome ReportOfLog(const Context& context,
                    const std::string& log_directory,
                    const std::string& folder);

}  // namespace freshet::freshetctl
