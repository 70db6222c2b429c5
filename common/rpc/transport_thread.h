#pragma once

namespace freshet::rpc {

// Whether this thread runs handlers and Dones of some transport, so that it must not wait for one.
bool OnTransportThread();

}  // namespace freshet::rpc
