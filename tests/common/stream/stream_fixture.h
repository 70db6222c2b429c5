#pragma once
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "common/stream/stream.h"
#include "tests/common/stream/memory_files.h"

namespace freshet::test {

// A record that has been read, in memory of its own.
struct Taken {
  std::string text;
  uint64_t end_offset = 0;

  friend bool operator==(const Taken&, const Taken&) = default;

  friend std::ostream& operator<<(std::ostream& out, const Taken& taken) {
    return out << taken.text << "@" << taken.end_offset;
  }
};

inline std::unique_ptr<PartitionReader> OpenAt(Stream& stream,
                                               const std::string& partition,
                                               uint64_t offset) {
  auto reader = stream.Open(partition, offset);
  INFO(reader.status());
  REQUIRE(reader.ok());
  return *std::move(reader);
}

// Reads until there is nothing more for now; *last gets why.
inline std::vector<Taken> TakeAll(PartitionReader& reader, ReadResult* last) {
  std::vector<Taken> taken;
  while (true) {
    Record record;
    const auto result = reader.Next(&record);
    INFO(result.status());
    REQUIRE(result.ok());
    *last = *result;
    if (*result != ReadResult::kRecord) {
      return taken;
    }
    taken.push_back({std::string(record.bytes), record.end_offset});
  }
}

// All records of a partition that is complete.
inline std::vector<Taken> TakeToEnd(PartitionReader& reader) {
  ReadResult last = ReadResult::kNothingYet;
  std::vector<Taken> taken = TakeAll(reader, &last);
  CHECK(last == ReadResult::kEnd);
  return taken;
}

// All there is for now of a partition that may grow.
inline std::vector<Taken> TakeSoFar(PartitionReader& reader) {
  ReadResult last = ReadResult::kEnd;
  std::vector<Taken> taken = TakeAll(reader, &last);
  CHECK(last == ReadResult::kNothingYet);
  return taken;
}

}  // namespace freshet::test
