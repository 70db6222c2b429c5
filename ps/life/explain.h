#pragma once
#include <optional>
#include <string>
#include <vector>

#include "common/version_log/part_file.h"
#include "ps/life/feature_rules.h"

namespace freshet::ps {

// In words, a line for each rule that is set: what it asks, what the row has, and how far apart the
// two are; the last line says what comes of it. For people; the wording may change.
//
// Of a row: which rule evicts it or would, and whether serving gets it.
std::vector<std::string> ExplainRow(const FeatureRules& rules,
                                    const RowView& row,
                                    const StreamClock& now);

// Of a key without a row: what it takes to get one. `seen`: what Admission::Peek knows.
std::vector<std::string> ExplainAdmission(const FeatureRules& rules,
                                          Key key,
                                          uint32_t slot,
                                          const std::optional<Seen>& seen,
                                          const StreamClock& now);

}  // namespace freshet::ps
