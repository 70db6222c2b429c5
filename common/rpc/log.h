#pragma once

namespace spdlog {
class logger;
}  // namespace spdlog

namespace freshet::rpc {

// The logger "rpc"; made of spdlog's default logger if the process has not registered one.
spdlog::logger& Log();

}  // namespace freshet::rpc
