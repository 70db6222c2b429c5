#pragma once
#include <cstdint>

#include "common/version_log/part_file.h"

namespace freshet::ps {

// Rows with a value that is not finite, or beyond `limit` if that is not 0. Ledger rows hold
// integers, and are never bad.
uint64_t CountBadRows(const PartContents& contents, float limit);

}  // namespace freshet::ps
