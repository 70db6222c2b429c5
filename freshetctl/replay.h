#pragma once
#include <cstdint>
#include <string>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

namespace freshet::freshetctl {

struct ReplayOptions {
  std::string file;
  std::string directory;
  uint32_t partitions = 1;
  double lines_per_second = 0.0;  // 0: as fast as possible
  bool header = false;            // the first line is a header: each partition begins with it
  uint64_t limit = 0;             // lines, the header left out; 0: all
};

// Makes a stream of a file, as if its lines came in now: line i (from 0, header left out) is
// appended to <directory>/part-<i mod partitions>.csv, in small steps at a steady rate. At the end
// the files are synced, and _SUCCESS says that nothing follows. FailedPrecondition if the directory
// holds a stream already: its readers rely on files that only grow.
Outcome Replay(const Context& context, const ReplayOptions& options);

}  // namespace freshet::freshetctl
