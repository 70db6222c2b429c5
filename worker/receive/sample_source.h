#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/job/receive_settings.h"
#include "common/status.h"
#include "common/stream/stream.h"

namespace freshet::worker {

// A byte of a file that has been rotated since, or will be.
struct LogPosition {
  uint64_t inode = 0;
  uint64_t offset = 0;

  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

// How far a file was received. By then its inode may belong to another file, in which other bytes
// come before the position.
struct LogMark {
  static constexpr size_t kMostBytes = 256;
  // Files that were received before, the last ones.
  static constexpr size_t kMostRemembered = 64;

  LogPosition position;
  std::string before;  // the last bytes before it, kMostBytes at most; may be none
};

// What came in one go.
struct Received {
  std::string bytes = {};                    // as they go into the stream
  std::optional<LogPosition> position = {};  // of the first byte, if it has one
  bool begins_file = false;                  // the bytes do not go on where those before ended
  bool gap = false;                          // something before the bytes may have been lost
  bool ended = false;                        // nothing will come any more
};

// Where samples come from that cannot be read a second time. One thread at a time.
class SampleSource {
 public:
  virtual ~SampleSource() = default;

  // Waits for `patience` at most. Nothing may have come. An error is final.
  virtual StatusOr<Received> Receive(std::chrono::milliseconds patience) = 0;
};

// `fd`: standard input, or a pipe. It is not closed.
std::unique_ptr<SampleSource> MakePipeSource(int fd,
                                             FileStreamOptions::Framing framing,
                                             bool drop_header);

// InvalidArgument: the address is none. FailedPrecondition: it cannot be bound.
StatusOr<std::unique_ptr<SampleSource>> MakeZmqSource(const ReceiveSettings& settings,
                                                      FileStreamOptions::Framing framing,
                                                      uint64_t max_record_bytes);

// Goes on where the last of `received` stood, or at the beginning of the file that is there now.
// `not_before_ns`: files last written before that time (Unix) come before; of use when the file of
// the last one is gone.
//
// A last line without line end gets one when its file is left, so that what was received ends with
// a whole line.
std::unique_ptr<SampleSource> MakeLogSource(FileSystem& files,
                                            Clock& clock,
                                            const std::string& path,
                                            std::vector<LogMark> received,
                                            int64_t not_before_ns);

}  // namespace freshet::worker
