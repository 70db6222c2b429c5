#include "common/rpc/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/check.h"

namespace freshet::rpc {
namespace {

// Many small frames per read; of a large body, at most so much is copied.
constexpr size_t kReceiveBytes = size_t{16} << 10U;
// A head longer than this has its memory bit by bit: a string's is written when it is made.
constexpr size_t kFirstHeadBytes = size_t{64} << 10U;

}  // namespace

FrameReader::FrameReader(const FrameLimits& limits)
    : limits_(limits), buffer_(new std::byte[kReceiveBytes]) {}

std::span<std::byte> FrameReader::missing_head() {
  std::string& head = frame_->message.head;
  const size_t filled = std::min(payload_filled_, head.size());
  return std::as_writable_bytes(std::span(head)).subspan(filled);
}

bool FrameReader::head_has_all_its_memory() const {
  return frame_->message.head.size() == frame_->header.head_bytes;
}

// Once its memory is full.
void FrameReader::GrowHead() {
  std::string& head = frame_->message.head;
  if (!head_has_all_its_memory() && payload_filled_ == head.size()) {
    head.resize(std::min<size_t>(frame_->header.head_bytes, head.size() * 2));
  }
}

std::span<std::byte> FrameReader::missing_body() {
  if (!head_has_all_its_memory()) {
    return {};
  }
  const size_t head_bytes = frame_->message.head.size();
  const size_t filled = payload_filled_ > head_bytes ? payload_filled_ - head_bytes : 0;
  return frame_->message.body.bytes().subspan(filled);
}

FrameReader::Space FrameReader::space() {
  // Less than a header is left over, or nothing.
  std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const std::span<std::byte> rest(buffer_.get() + end_, kReceiveBytes - end_);
  if (!frame_) {
    return {rest, {}, {}};
  }
  FRESHET_DCHECK(end_ == 0);
  if (!head_has_all_its_memory()) {
    return {missing_head(), {}, {}};
  }
  return {missing_head(), missing_body(), rest};
}

void FrameReader::Filled(size_t bytes) {
  if (frame_) {
    const size_t payload = std::min(bytes, missing_head().size() + missing_body().size());
    payload_filled_ += payload;
    bytes -= payload;
  }
  end_ += bytes;
  FRESHET_CHECK(end_ <= kReceiveBytes);
}

Status FrameReader::BeginFrame() {
  const std::span<const std::byte, kFrameHeaderBytes> bytes(buffer_.get() + begin_,
                                                            kFrameHeaderBytes);
  FRESHET_ASSIGN_OR_RETURN(const FrameHeader header, DecodeFrameHeader(bytes, limits_));
  begin_ += kFrameHeaderBytes;
  frame_.emplace();
  frame_->header = header;
  frame_->message.head.resize(std::min<size_t>(header.head_bytes, kFirstHeadBytes));
  frame_->message.body = Buffer(header.body_bytes);
  payload_filled_ = 0;
  return {};
}

void FrameReader::TakeFromBuffer(std::span<std::byte> target) {
  const size_t bytes = std::min(target.size(), end_ - begin_);
  if (bytes > 0) {
    std::memcpy(target.data(), buffer_.get() + begin_, bytes);
    begin_ += bytes;
    payload_filled_ += bytes;
  }
}

StatusOr<std::optional<Frame>> FrameReader::Next() {
  if (!frame_) {
    if (end_ - begin_ < kFrameHeaderBytes) {
      return std::optional<Frame>();
    }
    FRESHET_RETURN_IF_ERROR(BeginFrame());
  }
  TakeFromBuffer(missing_head());
  GrowHead();
  TakeFromBuffer(missing_head());
  TakeFromBuffer(missing_body());
  if (payload_filled_ < frame_->header.head_bytes + frame_->message.body.size()) {
    return std::optional<Frame>();
  }
  std::optional<Frame> whole = std::move(frame_);
  frame_.reset();
  return whole;
}

}  // namespace freshet::rpc
