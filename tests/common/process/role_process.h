#pragma once
#include <string>
#include <vector>

#include "common/process/process.h"

namespace freshet {

// A child of the test that runs a role's main, with its stderr kept.
class RoleProcess {
 public:
  RoleProcess(const std::vector<std::string>& flags, const StartRole& start);
  // Kills it if it still runs.
  ~RoleProcess();

  void Signal(int signal) const;
  // Waits for it to end: its exit code, or 128 + the signal that ended it.
  int Wait();

  // stdout and stderr; once Wait has returned.
  const std::string& output() const { return output_; }

 private:
  int pid_ = 0;
  int pipe_ = -1;
  std::string output_;
};

}  // namespace freshet
