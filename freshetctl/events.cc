#include "freshetctl/events.h"

#include <algorithm>

#include "freshetctl/coordinator_client.h"
#include "freshetctl/format.h"
#include "freshetctl/proto_json.h"
#include "proto/control.pb.h"

namespace freshet::freshetctl {
namespace {

constexpr std::chrono::seconds kTimeout{5};
constexpr std::chrono::milliseconds kAskAgain{200};
constexpr uint32_t kFollowedAtOnce = 1000;

std::string Line(const proto::Event& event, bool json) {
  if (json) {
    return ToJson(event);
  }
  return fmt::format("{}  {}  {:<17} {}{}",
                     event.id(),
                     UtcTime(event.unix_ms()),
                     event.kind(),
                     event.version() == 0 ? "" : fmt::format("version {}  ", event.version()),
                     event.text());
}

}  // namespace

Outcome ShowEvents(const Context& context, const Target& target, const EventsOptions& options) {
  CoordinatorClient coordinator(context.env, target);
  proto::EventsRequest request;
  request.set_after(options.after);
  request.set_limit(options.limit);
  for (const std::string& kind : options.kinds) {
    request.add_kinds(kind);
  }
  bool first = true;
  while (true) {
    const auto response =
        coordinator.Call<proto::EventsResponse>(rpc::Method::kEvents, request, kTimeout);
    if (!response.ok() && (first || !absl::IsUnavailable(response.status()))) {
      return response.status();
    }
    if (response.ok()) {
      for (const proto::Event& event : response->events()) {
        context.out << Line(event, options.json) << "\n";
        request.set_after(event.id());
      }
      context.out.flush();
      if (!options.follow) {
        return {};
      }
      // Those of other kinds need no second look; 0 would mean the newest.
      if (response->events_size() < static_cast<int>(request.limit())) {
        request.set_after(std::max<uint64_t>(response->newest(), request.after()));
      }
      request.set_limit(kFollowedAtOnce);
      first = false;
    }
    if (!context.out.good()) {
      return {};
    }
    context.env.clock.SleepFor(kAskAgain);
  }
}

}  // namespace freshet::freshetctl
