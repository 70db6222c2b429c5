#include "common/http/address.h"

#include <charconv>
#include <cstdint>

namespace freshet::http {

StatusOr<HostAndPort> SplitAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return InvalidArgument("address '{}': should be host:port", address);
  }
  HostAndPort parts{.host = address.substr(0, colon), .port = address.substr(colon + 1)};
  uint16_t number = 0;
  const char* const end = parts.port.data() + parts.port.size();
  const auto [stop, error] = std::from_chars(parts.port.data(), end, number);
  if (error != std::errc() || stop != end) {
    return InvalidArgument(
        "address '{}': port '{}' should be a number from 0 to 65535", address, parts.port);
  }
  if (parts.host.front() == '[' && parts.host.back() == ']') {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  } else if (parts.host.find(':') != std::string::npos) {
    return InvalidArgument("address '{}': an IPv6 host should stand in brackets", address);
  }
  return parts;
}

}  // namespace freshet::http
