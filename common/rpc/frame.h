#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/rpc/rpc.h"
#include "common/status.h"

// What is on a TCP connection: frames, each a header of kFrameHeaderBytes, a head and a body.
// The format, with a worked example, is in docs/formats/rpc.md.
namespace freshet::rpc {

inline constexpr size_t kFrameHeaderBytes = 32;
inline constexpr uint32_t kFrameMagic = 0x48535246;  // "FRSH" in the order of bytes
inline constexpr uint8_t kFrameVersion = 1;

// On the wire: fixed by number.
enum class FrameKind : uint8_t { kRequest = 1, kResponse = 2 };

struct FrameHeader {
  FrameKind kind = FrameKind::kRequest;
  // A number without a name passes: a peer may be newer, and is answered with InvalidArgument.
  Method method{};
  // OK in a request. If not OK, the head is the error's message and there is no body.
  absl::StatusCode code = absl::StatusCode::kOk;
  // Chosen by the client, given back in the response.
  uint64_t request_id = 0;
  uint32_t head_bytes = 0;
  uint32_t body_bytes = 0;

  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

struct FrameLimits {
  uint32_t max_head_bytes = 0;
  uint32_t max_body_bytes = 0;
};

struct Frame {
  FrameHeader header;
  Message message;
};

std::array<std::byte, kFrameHeaderBytes> EncodeFrameHeader(const FrameHeader& header);

// InvalidArgument, which tells what is wrong, if the bytes are no header of this version, or if it
// announces more than the limits.
StatusOr<FrameHeader> DecodeFrameHeader(std::span<const std::byte, kFrameHeaderBytes> bytes,
                                        const FrameLimits& limits);

// InvalidArgument if a peer with these limits would refuse the message.
Status CheckFits(const Message& message, const FrameLimits& limits);

}  // namespace freshet::rpc
