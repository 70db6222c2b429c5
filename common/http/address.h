#pragma once
#include <string>

#include "common/status.h"

namespace freshet::http {

struct HostAndPort {
  std::string host;  // without the brackets of an IPv6 address
  std::string port;
};

// "name:80", "127.0.0.1:80", "[::1]:80".
StatusOr<HostAndPort> SplitAddress(const std::string& address);

}  // namespace freshet::http
