#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "common/rpc/frame.h"

namespace freshet::rpc {

// Cuts a stream of bytes into frames. The caller reads from its socket into space(), says with
// Filled() how much arrived, and takes frames with Next() until there is none.
//
// Small frames are copied out of a receive buffer, many per read. What is missing of a head or body
// is read straight into its own memory, with the receive buffer behind it for the next frame. What
// is only announced takes no memory: a head grows as it comes, and the pages of a body are touched
// when they are written.
// Thread-safety: one thread.
class FrameReader {
 public:
  explicit FrameReader(const FrameLimits& limits);

  // Where the next bytes belong, to be filled in this order; some spans may be empty, not all.
  // Valid until the next call. Only after Next() has said that there is no whole frame.
  using Space = std::array<std::span<std::byte>, 3>;
  Space space();
  void Filled(size_t bytes);

  // The next whole frame, if there is one. Nothing beyond the limits is allocated. After an error,
  // which is that of DecodeFrameHeader, the stream has no meaning any more: do not go on.
  StatusOr<std::optional<Frame>> Next();

  // Whether a frame has begun that is not whole.
  bool mid_frame() const { return frame_.has_value() || begin_ != end_; }

 private:
  std::span<std::byte> missing_head();
  std::span<std::byte> missing_body();
  Status BeginFrame();
  bool head_has_all_its_memory() const;
  void GrowHead();
  void TakeFromBuffer(std::span<std::byte> target);

  const FrameLimits limits_;
  // What was received and not taken: buffer_[begin_, end_).
  std::unique_ptr<std::byte[]> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  // The frame whose header is known and whose head and body have so many bytes.
  std::optional<Frame> frame_;
  size_t payload_filled_ = 0;
};

}  // namespace freshet::rpc
