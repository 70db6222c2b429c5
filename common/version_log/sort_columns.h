#pragma once
#include "common/version_log/part_file.h"

// So that the bytes of a part file follow from what it holds, and not from the order in which it
// was put together.
namespace freshet {

// Rows, tombstones, candidates and blocks of the filter.
void SortByKey(EmbeddingRows& rows);

// Candidates and tombstones by key.
void SortByKey(CandidateRows& rows);

// Blocks by their number.
void SortByBlock(FilterBlocks& filter);

}  // namespace freshet
