#pragma once
#include "common/status.h"
#include "coordinator/context.h"
#include "proto/manifest.pb.h"
#include "proto/model.pb.h"

namespace freshet::coordinator {

// What differs between two models, in words; empty if they are equal.
std::string ModelDifferences(const proto::ModelSpec& before, const proto::ModelSpec& now);

// InvalidArgument: the newest readable version of the log is of another model than the job's; the
// message says what differs and what to do.
Status CheckModelOfLog(const VersionLog& log, const proto::ModelSpec& model);

}  // namespace freshet::coordinator
