#pragma once
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/loop.h"
#include "common/rpc/refusal_log.h"
#include "common/rpc/rpc.h"

namespace freshet::rpc {

// Takes the address at once, accepts after Start. Connections are shared out among the loops, in
// turn. `loops` and `refusals` outlive the server.
StatusOr<std::unique_ptr<Server>> MakeTcpServer(const std::string& address,
                                                const TcpOptions& options,
                                                const std::vector<std::unique_ptr<Loop>>& loops,
                                                RefusalLog& refusals);

}  // namespace freshet::rpc
