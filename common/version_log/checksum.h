#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace freshet {

// XXH3_64bits as 16 lower-case hex digits: how the version log writes every checksum.
std::string Xxh3Hex(std::span<const std::byte> bytes);
std::string Xxh3Hex(std::string_view text);

}  // namespace freshet
