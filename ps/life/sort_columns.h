#pragma once
#include "common/version_log/part_file.h"

// So that the bytes of a part file follow from what was counted, and not from the order in which it
// was copied.
namespace freshet::ps {

// Candidates and tombstones by key.
void SortByKey(CandidateRows& rows);

// Blocks by their number.
void SortByBlock(FilterBlocks& filter);

}  // namespace freshet::ps
