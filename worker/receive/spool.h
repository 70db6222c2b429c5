#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/env/lock_file.h"
#include "common/status.h"
#include "common/stream/block_sums.h"
#include "common/stream/record_ends.h"
#include "worker/receive/sample_source.h"

namespace freshet::worker {

struct SpoolOptions {
  std::string directory;
  FileStreamOptions::Framing framing = FileStreamOptions::Framing::kLines;
  uint32_t partitions = 1;
  uint64_t segment_bytes = 0;
  int64_t keep_ms = 0;
};

// The folder in which received samples are kept, as a stream of files that workers follow with
// FileStreamOptions::open_files = partitions: segments named by a number that only grows, so many
// at a time as there are partitions.
//
// Where a segment's bytes come from a file that is rotated, `_SEGMENT.from` beside it, written
// before it, has the inode and offset of its first byte, and a checksum of the two: as segments
// hold the bytes as they were, but for a line end that a file's last line may have been given, the
// segment's whole lines say how far that file was received.
//
// `_SEGMENT.sums` has checksums of its blocks (docs/formats/received.md), of those that are full
// from time to time, and of all when it is ended.
//
// A new process begins new segments. One that was killed in the middle of a record leaves the
// record's beginning behind, which is a bad sample.
// One thread at a time.
class Spool {
 public:
  // Creates the folder if need be. FailedPrecondition: another process receives into it, or it
  // holds other files. DataLoss: what tells how far a file was received is damaged, or checksums.
  static StatusOr<std::unique_ptr<Spool>> Open(FileSystem& files,
                                               Clock& clock,
                                               const SpoolOptions& options);

  // Whether the folder says that nothing will come any more.
  bool complete() const { return complete_; }

  // Takes that back: there is a further input.
  Status Reopen();

  // How far files were received before, the one that was received last at the end; the last
  // LogMark::kMostRemembered of them. None if it did not come from files.
  const std::vector<LogMark>& marks() const { return marks_; }

  // Behind what was received before, if it came from files.
  std::optional<LogPosition> stood_at() const {
    return marks_.empty() ? std::nullopt : std::optional(marks_.back().position);
  }

  // Unix time at which something was last received; 0: never.
  int64_t stood_at_ns() const { return stood_at_ns_; }

  // What is to be written next. Nothing else may wait to be written.
  void Put(Received received);
  // Writes it. ResourceExhausted: the disk is full; call it again to write what remains.
  Status Write();
  // Makes what was written survive a crash of the machine, and deletes what is too old, if it is
  // time to.
  Status KeepHouse();
  // Of that the latter, which also makes room on a full disk.
  Status DeleteOld();
  // Makes it now.
  Status Sync();
  // Nothing will come any more.
  Status Complete();

 private:
  struct Segment {
    std::string path;
    std::unique_ptr<WritableFile> file;
    uint64_t bytes = 0;
    bool synced = true;
    BlockSums sums = BlockSums();
    size_t summed = 0;  // blocks whose checksums are written
  };

  Spool(FileSystem& files, Clock& clock, const SpoolOptions& options)
      : files_(files), clock_(clock), options_(options), ends_(options.framing) {}

  Status Find();
  Status FindMarks(const std::vector<uint64_t>& with_origin);
  StatusOr<LogPosition> OriginOf(uint64_t number);
  StatusOr<LogMark> MarkOf(uint64_t number, const LogPosition& origin);
  Status SumRest(uint64_t number);
  Status OpenSegments();
  Status EndSegments();
  Status WriteSums(Segment& segment, bool ended);
  Status WriteUpTo(size_t end);
  std::string PathOf(uint64_t number) const;
  std::string OriginPathOf(uint64_t number) const;

  FileSystem& files_;
  Clock& clock_;
  const SpoolOptions options_;
  std::unique_ptr<LockFile> lock_;
  bool complete_ = false;
  std::vector<LogMark> marks_;
  int64_t stood_at_ns_ = 0;

  uint64_t next_number_ = 1;
  std::vector<Segment> segments_;  // open; none or one a partition
  size_t turn_ = 0;                // the segment that is written
  uint64_t written_ = 0;           // to those that are open
  std::chrono::nanoseconds summed_at_{0};
  std::chrono::nanoseconds synced_at_{0};
  std::chrono::nanoseconds deleted_at_ = -std::chrono::hours(24);

  RecordEnds ends_;
  Received pending_;             // what remains to be written
  std::optional<size_t> split_;  // the last end of a record in it
};

}  // namespace freshet::worker
