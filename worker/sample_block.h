#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/sample/sample.h"
#include "common/status.h"
#include "common/stream/stream.h"

namespace freshet::worker {

// Records of one partition that lie one after the other, on their way from the reader to the
// parsers and on to the batches. One thread has it at a time. Used again, so that its memory is
// kept.
struct SampleBlock {
  struct RecordAt {
    size_t begin = 0;  // in bytes
    size_t size = 0;
    uint64_t end_offset = 0;
    int64_t arrival_ms = 0;
    bool damaged = false;
  };

  std::string bytes;
  std::vector<RecordAt> records;
  // Why the block ends: kRecord if it is full.
  ReadResult then = ReadResult::kRecord;
  Status error;  // reading broke off after the records

  // Filled by the parser, one per record. `samples` may be longer, and a sample is unspecified
  // where the record is none.
  std::vector<Sample> samples;
  std::vector<Status> problems;

  void Clear() {
    bytes.clear();
    records.clear();
    then = ReadResult::kRecord;
    error = absl::OkStatus();
    problems.clear();
  }

  void Append(const Record& record) {
    records.push_back({.begin = bytes.size(),
                       .size = record.bytes.size(),
                       .end_offset = record.end_offset,
                       .arrival_ms = record.arrival_ms,
                       .damaged = record.damaged});
    bytes.append(record.bytes);
  }

  std::string_view BytesOf(const RecordAt& record) const {
    return std::string_view(bytes).substr(record.begin, record.size);
  }
};

}  // namespace freshet::worker
