#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace freshet {

// Length of the UTF-8 character that `text` begins with; 0 if it begins with none (overlong forms,
// surrogates and what lies above U+10FFFF are none).
size_t Utf8Length(std::string_view text);

// Whether all of it is UTF-8, as protobuf's strings must be.
bool IsUtf8(std::string_view text);

// Bytes that are no UTF-8 become U+FFFD.
std::string ToUtf8(std::string_view text);

}  // namespace freshet
