#pragma once
#include <memory>
#include <string>
#include <vector>

#include "common/env/file_system.h"
#include "common/status.h"
#include "worker/receive/sample_source.h"

namespace freshet::worker {

struct LogFile {
  std::string path;
  FileInfo info;
};

// A log and the files that it was renamed to: all in its folder whose names begin with its own, but
// for those that are compressed. Unavailable, of all that looks at them: they are just being
// renamed, and what was seen does not fit together. Immutable after construction.
class LogFiles {
 public:
  // `files` outlives it.
  LogFiles(FileSystem& files, std::string path);

  // Oldest first, by the time at which they were last written; the log itself is the last one.
  StatusOr<std::vector<LogFile>> List() const;

  StatusOr<std::unique_ptr<ReadableFile>> Open(const LogFile& file) const;

  // Whether the file is the one that the mark is of: an inode goes to another file once its own is
  // gone. A line end that the mark ends with may be missing in the file.
  StatusOr<bool> IsFileOf(const LogMark& mark, const LogFile& file) const;

 private:
  StatusOr<std::vector<LogFile>> ListByName() const;

  FileSystem& files_;
  const std::string path_;
  const std::string folder_;
  const std::string name_;
};

}  // namespace freshet::worker
