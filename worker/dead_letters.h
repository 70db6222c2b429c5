#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/env/file_system.h"
#include "common/status.h"

namespace freshet::worker {

// The records of a partition that are no samples, in a file for people: <folder>/<partition>.jsonl,
// an object a line,
//
//   {"partition":"part-0.csv","offset":1234,"reason":"...","record":"..."}
//
// A session that begins at an earlier position takes back what it will find again, so each record
// is there once. Not synced: what a crash of the machine loses is found again with the samples
// since the last version, or is that old. One thread.
class DeadLetters {
 public:
  // Beyond these nothing more is written; records are cut to kMaxRecordBytes.
  static constexpr uint64_t kMaxFileBytes = 64U << 20U;
  static constexpr size_t kMaxRecordBytes = 4096;

  // Keeps what the file has of records that end at or before `offset`. `files` outlives this.
  static StatusOr<std::unique_ptr<DeadLetters>> Open(FileSystem& files,
                                                     const std::string& folder,
                                                     const std::string& partition,
                                                     uint64_t offset);

  // `offset`: where the record begins.
  Status Add(uint64_t offset, std::string_view reason, std::string_view record);

 private:
  DeadLetters(std::string partition, std::unique_ptr<WritableFile> file, uint64_t bytes);

  const std::string partition_;
  const std::unique_ptr<WritableFile> file_;
  uint64_t bytes_;
};

}  // namespace freshet::worker
