#pragma once
#include <fmt/core.h>
#include <xxhash.h>

#include <cstring>
#include <string>

#include "common/rpc/frame.h"

// Frames as bytes, for tests that speak the wire themselves.
namespace freshet::rpc {

inline std::string WireOf(const FrameHeader& header) {
  const auto bytes = EncodeFrameHeader(header);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The header with one byte set to `value`, under a checksum that is right.
inline std::string SealedWire(const FrameHeader& header, size_t offset, uint8_t value) {
  std::string wire = WireOf(header);
  wire[offset] = static_cast<char>(value);
  const auto checksum = static_cast<uint32_t>(XXH3_64bits(wire.data(), kFrameHeaderBytes - 4));
  std::memcpy(wire.data() + kFrameHeaderBytes - 4, &checksum, sizeof(checksum));
  return wire;
}

inline std::string HexOf(const std::string& bytes) {
  std::string hex;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const bool begins_field =
        i == 4 || i == 5 || i == 6 || i == 8 || i == 16 || i == 20 || i == 24 || i == 28;
    hex += fmt::format("{}{:02x}", begins_field ? " " : "", static_cast<uint8_t>(bytes[i]));
  }
  return hex;
}

inline std::string TextOf(const Buffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

}  // namespace freshet::rpc
