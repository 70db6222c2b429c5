#pragma once
#include <cstdint>

#include "absl/status/status.h"
#include "perf/table/contestant.h"

namespace freshet::perf {

// Whether a contestant's answers are those of a plain array of rows under the same calls: new rows,
// then updates with keys that come twice in a batch.
//
// Values may differ by 1e-6: every contestant does the same float32 steps in the same order, but
// where the compiler may use fused multiply-add a product is not rounded, which moves each of some
// hundred steps of a value below 1 by at most an ulp of what it adds.
absl::Status VerifyAnswers(const ContestantKind& kind, uint32_t dim);

}  // namespace freshet::perf
