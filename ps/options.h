#pragma once
#include <cstdint>
#include <string>

namespace freshet::ps {

// Where rows lie.
struct StorageOptions {
  // Empty: all in memory. Else rows that do not fit go to a RocksDB in this folder, which is
  // deleted when the server starts and when it ends.
  std::string directory;
  // What rows, their indexes and RocksDB's buffers may take of memory together; at least
  // kLeastDramBytes. Not counted: answers and cuts on their way, and the program itself.
  uint64_t dram_bytes = 0;

  static constexpr uint64_t kLeastDramBytes = 4U << 20U;
};

struct PsOptions {
  std::string listen = "127.0.0.1:0";  // of the rpc server; any name in-process
  std::string log_directory;   // the version log: where part files go and restores come from
  uint32_t owner_threads = 1;  // share the server's partitions; one per core that is free
  // A pull whose answer would be larger is refused; what a transport carries at most.
  uint64_t max_answer_bytes = 256U << 20U;
  // Pulls being answered at a time, further ones are refused with ResourceExhausted. Bounds the
  // memory that answers take; workers keep a few each.
  uint32_t max_pulls_in_flight = 1024;
  // Announcements under way at a time, further ones are dropped. Bounds the memory of their keys.
  uint32_t max_announcements_in_flight = 64;
  StorageOptions storage = {};
};

}  // namespace freshet::ps
