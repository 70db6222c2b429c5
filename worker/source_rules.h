#pragma once
#include <string>

#include "common/env/file_system.h"
#include "common/model/batch_builder.h"
#include "worker/skip_rules.h"

namespace freshet::worker {

// Which records of a partition become samples of a batch, and what becomes of the others.
struct SourceRules {
  KeyDetails details = {};         // that batches have of their keys
  SkipRules skips = {};            // samples that a rollback said are not to be learned
  double negative_sampling = 1.0;  // the share of negative samples that is trained
  double max_bad_share = 1.0;      // more records that are no samples end the session
  std::string dead_letters = {};   // folder for those that are no samples; empty: none is kept
  FileSystem* files = nullptr;     // for dead_letters
};

}  // namespace freshet::worker
