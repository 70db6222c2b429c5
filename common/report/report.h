#pragma once
#include <string>
#include <vector>

#include "common/env/file_system.h"
#include "common/status.h"
#include "proto/manifest.pb.h"

namespace freshet {

// What a report needs of a version: its manifest without parts, workers and what is pending, which
// are large.
proto::Manifest ScoresOf(proto::Manifest manifest);

// Writes into `folder` what `versions`, at least one, in their order, measured:
//
//   versions.csv   a line a version: samples, AUC, log loss, ... of its window and of the whole run
//   slices.csv     a line a version and slice, if there are slices
//   auc.svg, log_loss.svg, calibration.svg, normalized_entropy.svg, gauc.svg   over the samples
//
// The folder is made if it is not there; files of the same names are replaced.
Status WriteReport(FileSystem& files,
                   const std::vector<proto::Manifest>& versions,
                   const std::string& folder);

}  // namespace freshet
