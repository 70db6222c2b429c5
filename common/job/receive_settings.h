#pragma once
#include <cstdint>
#include <string>

namespace freshet {

// Samples that cannot be read a second time are received by worker 0, which keeps them in the
// stream's folder (worker/receive).
struct ReceiveSettings {
  enum class From {
    kStdin,
    kZmq,  // a PULL socket: each part of a message is a record
    kLog,  // a file that grows, and is renamed and begun anew now and then
  };

  static constexpr uint32_t kMostPartitions = 1024;

  From from = From::kStdin;
  std::string address{};                 // of kZmq, as "tcp://0.0.0.0:5571"
  bool connect = false;                  // to that address; false: bind it
  std::string log{};                     // of kLog: the path of the file that is written
  bool drop_header = false;              // of kStdin: the first line is no sample
  uint32_t partitions = 1;               // files written at once; more than one only of kZmq
  uint64_t segment_bytes = 256U << 20U;  // a file is followed by the next one at that size
  int64_t keep_ms = 0;                   // older files are deleted; 0: all are kept
};

}  // namespace freshet
