#pragma once
#include <memory>
#include <string>

#include "common/rpc/loop.h"
#include "common/rpc/refusal_log.h"
#include "common/rpc/rpc.h"

namespace freshet::rpc {

// `loop` and `refusals` outlive the channel.
std::unique_ptr<Channel> MakeTcpChannel(const std::string& address,
                                        const TcpOptions& options,
                                        Loop& loop,
                                        RefusalLog& refusals);

}  // namespace freshet::rpc
