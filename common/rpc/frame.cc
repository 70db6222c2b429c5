#include "common/rpc/frame.h"

#include <xxhash.h>

#include <bit>
#include <cstring>

namespace freshet::rpc {
namespace {

static_assert(std::endian::native == std::endian::little, "frames are little endian");

// The header as it is on the wire; no member needs padding.
struct WireHeader {
  uint32_t magic;
  uint8_t version;
  uint8_t kind;
  uint16_t method;
  uint64_t request_id;
  uint32_t head_bytes;
  uint32_t body_bytes;
  uint32_t code;
  uint32_t checksum;
};

static_assert(sizeof(WireHeader) == kFrameHeaderBytes);

constexpr auto kLastCode = static_cast<uint32_t>(absl::StatusCode::kUnauthenticated);

uint32_t Checksum(const WireHeader& wire) {
  return static_cast<uint32_t>(XXH3_64bits(&wire, offsetof(WireHeader, checksum)));
}

bool IsKind(uint8_t kind) {
  return kind == static_cast<uint8_t>(FrameKind::kRequest) ||
         kind == static_cast<uint8_t>(FrameKind::kResponse);
}

Status CheckForm(const WireHeader& wire) {
  if (wire.magic != kFrameMagic) {
    return InvalidArgument("frame magic {:08x}, expected {:08x}", wire.magic, kFrameMagic);
  }
  if (const uint32_t checksum = Checksum(wire); wire.checksum != checksum) {
    return InvalidArgument(
        "frame header's checksum {:08x}, computed {:08x}", wire.checksum, checksum);
  }
  if (wire.version != kFrameVersion) {
    return InvalidArgument("frame version {}, expected {}", wire.version, kFrameVersion);
  }
  if (!IsKind(wire.kind)) {
    return InvalidArgument("frame kind {}, expected 1 (request) or 2 (response)", wire.kind);
  }
  return {};
}

Status CheckCode(const WireHeader& wire) {
  if (wire.code == 0) {
    return {};
  }
  if (wire.kind == static_cast<uint8_t>(FrameKind::kRequest)) {
    return InvalidArgument("a request with status code {}, expected 0", wire.code);
  }
  if (wire.code > kLastCode) {
    return InvalidArgument("status code {}, expected at most {}", wire.code, kLastCode);
  }
  if (wire.body_bytes != 0) {
    return InvalidArgument(
        "status code {} with a body of {} bytes, expected none", wire.code, wire.body_bytes);
  }
  return {};
}

Status CheckLengths(uint64_t head_bytes, uint64_t body_bytes, const FrameLimits& limits) {
  if (head_bytes > limits.max_head_bytes) {
    return InvalidArgument(
        "a head of {} bytes, the limit is {}", head_bytes, limits.max_head_bytes);
  }
  if (body_bytes > limits.max_body_bytes) {
    return InvalidArgument(
        "a body of {} bytes, the limit is {}", body_bytes, limits.max_body_bytes);
  }
  return {};
}

}  // namespace

std::array<std::byte, kFrameHeaderBytes> EncodeFrameHeader(const FrameHeader& header) {
  WireHeader wire{.magic = kFrameMagic,
                  .version = kFrameVersion,
                  .kind = static_cast<uint8_t>(header.kind),
                  .method = static_cast<uint16_t>(header.method),
                  .request_id = header.request_id,
                  .head_bytes = header.head_bytes,
                  .body_bytes = header.body_bytes,
                  .code = static_cast<uint32_t>(header.code),
                  .checksum = 0};
  wire.checksum = Checksum(wire);
  return std::bit_cast<std::array<std::byte, kFrameHeaderBytes>>(wire);
}

StatusOr<FrameHeader> DecodeFrameHeader(std::span<const std::byte, kFrameHeaderBytes> bytes,
                                        const FrameLimits& limits) {
  WireHeader wire;
  std::memcpy(&wire, bytes.data(), sizeof(wire));
  FRESHET_RETURN_IF_ERROR(CheckForm(wire));
  FRESHET_RETURN_IF_ERROR(CheckCode(wire));
  FRESHET_RETURN_IF_ERROR(CheckLengths(wire.head_bytes, wire.body_bytes, limits));
  return FrameHeader{.kind = static_cast<FrameKind>(wire.kind),
                     .method = static_cast<Method>(wire.method),
                     .code = static_cast<absl::StatusCode>(wire.code),
                     .request_id = wire.request_id,
                     .head_bytes = wire.head_bytes,
                     .body_bytes = wire.body_bytes};
}

Status CheckFits(const Message& message, const FrameLimits& limits) {
  return CheckLengths(message.head.size(), message.body.size(), limits);
}

}  // namespace freshet::rpc
