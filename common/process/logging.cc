#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/process/process.h"

namespace freshet {
namespace {

// A JSON string, quotes included. Bytes above 0x7f pass as they are: messages are UTF-8.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        quoted += "\\\"";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          quoted += c;
        }
    }
  }
  quoted += '"';
  return quoted;
}

std::string_view View(spdlog::string_view_t text) {
  return {text.data(), text.size()};
}

// {"time":...,"level":...,"process":...,"logger":...,"message":...}
class JsonFormatter final : public spdlog::formatter {
 public:
  explicit JsonFormatter(std::string process)
      : process_(std::move(process)),
        time_("%Y-%m-%dT%H:%M:%S.%eZ", spdlog::pattern_time_type::utc, "") {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& into) override {
    spdlog::memory_buf_t time;
    time_.format(message, time);
    std::string line = fmt::format(R"({{"time":"{}","level":"{}","process":{})",
                                   std::string_view(time.data(), time.size()),
                                   View(spdlog::level::to_string_view(message.level)),
                                   Quoted(process_));
    if (message.logger_name.size() > 0) {
      line += fmt::format(R"(,"logger":{})", Quoted(View(message.logger_name)));
    }
    line += fmt::format(R"(,"message":{}}})", Quoted(View(message.payload)));
    line += '\n';
    into.append(line.data(), line.data() + line.size());
  }

  std::unique_ptr<formatter> clone() const override {
    return std::make_unique<JsonFormatter>(process_);
  }

 private:
  const std::string process_;
  spdlog::pattern_formatter time_;
};

std::unique_ptr<spdlog::formatter> MakeFormatter(bool json, const std::string& process) {
  if (json) {
    return std::make_unique<JsonFormatter>(process);
  }
  // A percent sign in the name would be taken for a pattern of its own: names of processes have
  // none.
  return std::make_unique<spdlog::pattern_formatter>(
      "%Y-%m-%dT%H:%M:%S.%eZ %-5l " + process + " %n %v", spdlog::pattern_time_type::utc);
}

}  // namespace

void SetUpLogging(const LogSettings& settings, const std::string& process) {
  const auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  sink->set_formatter(MakeFormatter(settings.json, process));
  const auto level = spdlog::level::from_str(settings.level);
  // A module may have made its logger before the settings were known.
  spdlog::apply_all([&](const std::shared_ptr<spdlog::logger>& logger) {
    logger->sinks() = {sink};
    logger->set_level(level);
    logger->flush_on(spdlog::level::trace);
  });
  auto logger = std::make_shared<spdlog::logger>("freshet", sink);
  logger->flush_on(spdlog::level::trace);
  logger->set_level(level);
  spdlog::set_default_logger(std::move(logger));
  spdlog::set_level(level);
}

}  // namespace freshet
