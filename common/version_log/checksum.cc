#include "common/version_log/checksum.h"

#include <fmt/core.h>
#include <xxhash.h>

namespace freshet {

std::string Xxh3Hex(std::span<const std::byte> bytes) {
  return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
}

std::string Xxh3Hex(std::string_view text) {
  return Xxh3Hex(std::as_bytes(std::span(text)));
}

}  // namespace freshet
