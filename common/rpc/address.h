#pragma once
#include <cstdint>
#include <string>

#include "common/status.h"

namespace freshet::rpc {

struct HostPort {
  std::string host;
  uint16_t port = 0;
};

// "host:port", an IPv6 host in brackets. InvalidArgument for everything else.
StatusOr<HostPort> ParseHostPort(const std::string& address);

std::string ToString(const HostPort& address);

}  // namespace freshet::rpc
