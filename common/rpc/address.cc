#include "common/rpc/address.h"

#include <charconv>

namespace freshet::rpc {

StatusOr<HostPort> ParseHostPort(const std::string& address) {
  const auto bad = [&] { return InvalidArgument("address '{}', expected host:port", address); };
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return bad();
  }
  HostPort parsed{.host = address.substr(0, colon)};
  if (parsed.host.size() > 2 && parsed.host.front() == '[' && parsed.host.back() == ']') {
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
    if (parsed.host.find_first_of("[]") != std::string::npos) {
      return bad();
    }
  } else if (parsed.host.empty() || parsed.host.find_first_of(":[]") != std::string::npos) {
    return bad();
  }
  const char* const end = address.data() + address.size();
  const auto [rest, error] = std::from_chars(address.data() + colon + 1, end, parsed.port);
  if (error != std::errc() || rest != end) {
    return bad();
  }
  return parsed;
}

std::string ToString(const HostPort& address) {
  if (address.host.find(':') != std::string::npos) {
    return fmt::format("[{}]:{}", address.host, address.port);
  }
  return fmt::format("{}:{}", address.host, address.port);
}

}  // namespace freshet::rpc
