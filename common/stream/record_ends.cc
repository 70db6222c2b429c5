#include "common/stream/record_ends.h"

#include <algorithm>

#include "common/stream/message_reader.h"

namespace freshet {
namespace {

constexpr unsigned kMostLengthBytes = 5;  // of a varint below 2^35

}  // namespace

std::optional<size_t> RecordEnds::Last(std::string_view piece) {
  if (framing_ == FileStreamOptions::Framing::kMessages) {
    return LastMessage(piece);
  }
  const size_t at = piece.rfind('\n');
  return at == std::string_view::npos ? std::nullopt : std::optional<size_t>(at + 1);
}

std::optional<size_t> RecordEnds::LastMessage(std::string_view piece) {
  std::optional<size_t> last;
  size_t at = 0;
  while (at < piece.size() && !lost_) {
    if (to_come_ > 0) {
      const size_t come = std::min<uint64_t>(to_come_, piece.size() - at);
      at += come;
      to_come_ -= come;
    } else {
      const auto byte = static_cast<unsigned char>(piece[at++]);
      length_ |= static_cast<uint64_t>(byte & 0x7fU) << (7 * length_bytes_);
      if (++length_bytes_ == kMostLengthBytes && byte >= 0x80) {
        lost_ = true;
      }
      if (byte >= 0x80) {
        continue;
      }
      to_come_ = length_;
      length_ = 0;
      length_bytes_ = 0;
      lost_ = lost_ || to_come_ > MessageReader::kMostMessageBytes;
    }
    if (to_come_ == 0 && !lost_) {
      last = at;
    }
  }
  return last;
}

void AppendMessageLength(size_t bytes, std::string* to) {
  for (; bytes >= 0x80; bytes >>= 7U) {
    to->push_back(static_cast<char>((bytes & 0x7fU) | 0x80U));
  }
  to->push_back(static_cast<char>(bytes));
}

}  // namespace freshet
