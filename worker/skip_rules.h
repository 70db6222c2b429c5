#pragma once
#include <vector>

#include "common/sample/sample.h"
#include "proto/manifest.pb.h"

namespace freshet::worker {

// Samples that are left out of training, because somebody said so at a rollback. Immutable.
class SkipRules {
 public:
  SkipRules() = default;

  explicit SkipRules(std::vector<proto::SkipRule> rules) : rules_(std::move(rules)) {}

  // A rule that is in force names the sample.
  bool Skip(const Sample& sample) const;

 private:
  std::vector<proto::SkipRule> rules_;
};

}  // namespace freshet::worker
