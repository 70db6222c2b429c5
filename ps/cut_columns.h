#pragma once
#include "common/version_log/part_file.h"

namespace freshet::ps {

// Sorts rows, tombstones and what admission counted by key, so that the bytes of a part file follow
// from its rows and not from the order in which they were copied.
void SortByKey(EmbeddingRows& rows);

// Rows with a value that is not finite, or beyond `limit` if that is not 0. Ledger rows hold
// integers, and are never bad.
uint64_t CountBadRows(const PartContents& contents, float limit);

}  // namespace freshet::ps
