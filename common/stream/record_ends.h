#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/stream/stream.h"

namespace freshet {

// Finds where records end in a stream that comes piece by piece. One thread at a time.
class RecordEnds {
 public:
  explicit RecordEnds(FileStreamOptions::Framing framing) : framing_(framing) {}

  // The stream goes on with `piece`: how many of its bytes come before its last end of a record;
  // nothing if no record ends in it. Behind a length that is none, no record ends any more.
  std::optional<size_t> Last(std::string_view piece);

 private:
  std::optional<size_t> LastMessage(std::string_view piece);

  FileStreamOptions::Framing framing_;
  // Of kMessages:
  uint64_t to_come_ = 0;       // bytes of the message whose length is known
  uint64_t length_ = 0;        // as far as its varint has come
  unsigned length_bytes_ = 0;  // of that varint
  bool lost_ = false;
};

// Appends what comes before a message of so many bytes.
void AppendMessageLength(size_t bytes, std::string* to);

}  // namespace freshet
