#pragma once
#include <string>
#include <zmq.hpp>

#include "common/status.h"

namespace freshet {

// Binds the socket to an address, as in "tcp://0.0.0.0:5571", or connects it. InvalidArgument: the
// address is none. FailedPrecondition: it cannot be had.
inline Status BindOrConnect(zmq::socket_t& socket, const std::string& address, bool connect) {
  try {
    connect ? socket.connect(address) : socket.bind(address);
    return absl::OkStatus();
  } catch (const zmq::error_t& error) {
    const bool malformed = error.num() == EINVAL || error.num() == EPROTONOSUPPORT;
    return MakeStatus(
        malformed ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kFailedPrecondition,
        fmt::format("{} the ZeroMQ address {}: {}",
                    connect ? "connect to" : "bind",
                    address,
                    error.what()));
  }
}

}  // namespace freshet
