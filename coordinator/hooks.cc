#include "coordinator/hooks.h"

#include <algorithm>
#include <utility>

#include "common/http/http_client.h"
#include "common/key.h"
#include "coordinator/log.h"

namespace freshet::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr size_t kEventsAtOnce = 100;
constexpr milliseconds kFirstPause{200};
constexpr milliseconds kLongestPause{10'000};

// What the hook's place in the events is stored under: another command begins anew.
std::string NameOf(const HookSettings& hook) {
  std::string all = hook.command + "\n" + hook.url;
  for (const std::string& kind : hook.on) {
    all += "\n" + kind;
  }
  return fmt::format("{:016x}", HashKey(0, all));
}

Status Post(const HookSettings& hook, const std::string& json) {
  constexpr size_t kHost = sizeof("http://") - 1;
  const size_t path = std::min(hook.url.find('/', kHost), hook.url.size());
  std::string host = hook.url.substr(kHost, path - kHost);
  if (host.find(':') == std::string::npos) {
    host += ":80";
  }
  http::Client client(host, milliseconds(hook.timeout_ms));
  const auto response = client.Post(path == hook.url.size() ? "/" : hook.url.substr(path), json);
  if (!response.ok()) {
    return response.status();
  }
  if (response->status < 200 || response->status > 299) {
    return Unavailable("POST {}: status {}", hook.url, response->status);
  }
  return absl::OkStatus();
}

Status TellOnce(const HookSettings& hook, const Event& event) {
  const std::string json = ToJson(event);
  if (!hook.url.empty()) {
    return Post(hook, json);
  }
  return RunCommand(hook.command,
                    {"FRESHET_EVENT=" + event.kind,
                     fmt::format("FRESHET_EVENT_ID={}", event.id),
                     fmt::format("FRESHET_VERSION={}", event.version)},
                    json + "\n",
                    milliseconds(hook.timeout_ms));
}

}  // namespace

Hooks::Hooks(const Context& context, EventLog& events) : context_(context), events_(events) {
  for (const HookSettings& hook : context.options.hooks) {
    threads_.emplace_back([this, &hook] { Run(hook); });
  }
}

Hooks::~Hooks() {
  events_.Close();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void Hooks::Run(const HookSettings& hook) {
  const std::string name = NameOf(hook);
  const StatusOr<uint64_t> stored = context_.store.HookPosition(name);
  // A new hook is told of what happens from now on.
  uint64_t told = stored.ok() && *stored != 0 ? *stored : events_.newest();
  (void)context_.store.StoreHookPosition(name, told);
  while (!events_.closed()) {
    events_.Await(told);
    const uint64_t newest = events_.newest();
    const auto events = events_.After(told, hook.on, kEventsAtOnce);
    if (!events.ok()) {
      Log().error("hook cannot read events error=\"{}\"", events.status().ToString());
      return;
    }
    for (const Event& event : *events) {
      if (events_.closed()) {
        return;
      }
      Tell(hook, event);
      told = event.id;
      (void)context_.store.StoreHookPosition(name, told);
    }
    if (events->size() < kEventsAtOnce) {
      told = std::max(told, newest);
    }
  }
}

void Hooks::Tell(const HookSettings& hook, const Event& event) {
  milliseconds pause = kFirstPause;
  for (uint32_t tries = 0; !events_.closed(); ++tries) {
    const Status status = TellOnce(hook, event);
    if (status.ok()) {
      return;
    }
    Log().warn("hook failed event={} kind={} try={} error=\"{}\"",
               event.id,
               event.kind,
               tries + 1,
               MessageOf(status));
    if (tries == hook.retries) {
      Log().error("hook given up event={} kind={}", event.id, event.kind);
      return;
    }
    context_.env.clock.SleepFor(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

}  // namespace freshet::coordinator
