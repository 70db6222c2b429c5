#pragma once
#include "common/status.h"
#include "common/version_log/part_file.h"

namespace freshet {

// InvalidArgument unless the columns of each variable fit each other: what a part is checked for
// before it is written.
Status CheckPart(const PartContents& contents);

}  // namespace freshet
