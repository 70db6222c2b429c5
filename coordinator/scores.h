#pragma once
#include "coordinator/context.h"
#include "proto/manifest.pb.h"

// What the versions of a run measured, beyond the life of the versions. Failures are logged: a
// report is a help, not state.
namespace freshet::coordinator {

// Remembers what a version that was just committed measured.
void KeepScores(const Context& context, const proto::Manifest& manifest);

// Writes the report (common/report/report.h) of all that is remembered, and of what else the log
// has, to options.report_dir.
void WriteScores(const Context& context);

}  // namespace freshet::coordinator
