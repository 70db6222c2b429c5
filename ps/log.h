#pragma once

namespace spdlog {
class logger;
}  // namespace spdlog

namespace freshet::ps {

// The logger "ps", made of spdlog's default logger on first use.
spdlog::logger& Log();

}  // namespace freshet::ps
