#pragma once
#include <string>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

namespace freshet::freshetctl {

// Writes into `folder` what the versions of a log measured, for those that are still there:
//
//   versions.csv   a line a version: samples, AUC, log loss, ... of its window and of the whole run
//   slices.csv     a line a version and slice, if there are slices
//   auc.svg, log_loss.svg, calibration.svg, normalized_entropy.svg, gauc.svg   over the samples
//
// The folder is made if it is not there; files of the same names are replaced.
Outcome WriteReport(const Context& context,
                    const std::string& log_directory,
                    const std::string& folder);

}  // namespace freshet::freshetctl
