#include "coordinator/coordinator.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/rpc/typed.h"
#include "coordinator/model_check.h"
#include "coordinator/status.h"

namespace freshet::coordinator {
namespace {

constexpr uint32_t kEventsShown = 200;
constexpr uint32_t kMostEvents = 1000;

struct EventsQuery {
  uint64_t after = 0;
  std::vector<std::string> kinds;
  uint32_t limit = kEventsShown;
};

StatusOr<EventsQuery> ParseEventsQuery(const std::string& text) {
  EventsQuery query;
  const auto number = [](const std::string& value, auto* into) {
    const char* const end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, *into);
    return error == std::errc() && stop == end && !value.empty();
  };
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('&', begin), text.size());
    const std::string item = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t equals = std::min(item.find('='), item.size());
    const std::string name = item.substr(0, equals);
    const std::string value = equals < item.size() ? item.substr(equals + 1) : "";
    const bool good = name == "after"   ? number(value, &query.after)
                      : name == "limit" ? number(value, &query.limit)
                                        : name == "kind" && !value.empty();
    if (!good) {
      return InvalidArgument(
          "'{}' is no parameter of events: after=ID, kind=KIND (repeatedly), limit=N", item);
    }
    if (name == "kind") {
      query.kinds.push_back(value);
    }
  }
  return query;
}

}  // namespace

StatusOr<std::unique_ptr<Coordinator>> Coordinator::Start(const Env& env,
                                                          Options options,
                                                          const std::string& address) {
  FRESHET_RETURN_IF_ERROR(CheckModelOfLog(VersionLog(env.files, options.log_dir), options.model));
  FRESHET_ASSIGN_OR_RETURN(auto store, StateStore::Open(options.state_dir));
  std::unique_ptr<Coordinator> coordinator(
      new Coordinator(env, std::move(options), std::move(store)));
  FRESHET_ASSIGN_OR_RETURN(coordinator->server_, env.transport.Listen(address));
  coordinator->HandleMembers();
  coordinator->HandleAsks();
  coordinator->HandleEvents();
  Coordinator* const self = coordinator.get();
  if (!coordinator->options_.publish.empty()) {
    FRESHET_ASSIGN_OR_RETURN(
        coordinator->publisher_,
        EventPublisher::Start(coordinator->options_.publish, coordinator->events_));
  }
  coordinator->hooks_ = std::make_unique<Hooks>(coordinator->context_, coordinator->events_);
  coordinator->housekeeper_ = std::make_unique<Housekeeper>(
      coordinator->context_,
      [self](const StatusOr<RemovedVersions>& removed) { self->NoteRemoved(removed); });
  coordinator->compactor_ =
      std::make_unique<Compactor>(coordinator->context_, coordinator->metrics_);
  coordinator->server_->Start();
  if (coordinator->options_.calibration.has_value()) {
    coordinator->bases_ =
        std::make_unique<BaseWatcher>(coordinator->context_, [self] { self->queue_.Wake(); });
  }
  coordinator->control_ = std::make_unique<Control>(coordinator->context_,
                                                    coordinator->membership_,
                                                    coordinator->queue_,
                                                    *coordinator->housekeeper_,
                                                    *coordinator->compactor_,
                                                    coordinator->bases_.get(),
                                                    coordinator->board_,
                                                    coordinator->metrics_);
  return coordinator;
}

Coordinator::Coordinator(const Env& env, Options options, std::unique_ptr<StateStore> store)
    : env_(env),
      options_(std::move(options)),
      store_(std::move(store)),
      log_(env.files, options_.log_dir),
      events_(*store_, env.clock),
      context_{.options = options_, .env = env_, .log = log_, .store = *store_, .events = events_},
      membership_(options_, env.clock, [this] { queue_.Wake(); }) {}

Coordinator::~Coordinator() {
  control_.reset();  // while members can still be heard
  bases_.reset();
  compactor_.reset();
  if (housekeeper_ != nullptr) {
    housekeeper_->Stop();  // answers who still asks it
  }
  server_.reset();
  housekeeper_.reset();
  publisher_.reset();
  hooks_.reset();
}

void Coordinator::NoteRemoved(const StatusOr<RemovedVersions>& removed) {
  if (removed.ok()) {
    events_.Record("removed",
                   removed->versions.front().value(),
                   fmt::format("versions={} newest={} bytes={}",
                               removed->versions.size(),
                               removed->versions.front().value(),
                               removed->bytes));
  } else {
    events_.Record("remove_failed", 0, removed.status().ToString());
  }
}

void Coordinator::HandleMembers() {
  rpc::HandleTyped<proto::JoinRequest>(
      *server_,
      rpc::Method::kJoin,
      [this](const proto::JoinRequest& request, const Buffer& /*body*/, rpc::Responder respond) {
        if (const Status status = membership_.Join(request); !status.ok()) {
          respond(status);
          return;
        }
        proto::JoinResponse response;
        response.set_epoch(board_.Read().epoch);
        response.set_heartbeat_ms(static_cast<uint32_t>(options_.heartbeat_every.count()));
        respond(rpc::MakeMessage(response));
      });
  rpc::HandleTyped<proto::HeartbeatRequest>(
      *server_,
      rpc::Method::kHeartbeat,
      [this](
          const proto::HeartbeatRequest& request, const Buffer& /*body*/, rpc::Responder respond) {
        proto::HeartbeatResponse response;
        response.set_known(membership_.Heartbeat(request));
        const Progress progress = board_.Read();
        response.set_epoch(progress.epoch);
        response.set_training_finished(progress.phase == proto::StatusResponse::FINISHED);
        respond(rpc::MakeMessage(response));
      });
}

void Coordinator::HandleAsks() {
  rpc::HandleTyped<proto::StatusRequest>(
      *server_,
      rpc::Method::kStatus,
      [this](const proto::StatusRequest& /*request*/,
             const Buffer& /*body*/,
             rpc::Responder respond) { respond(rpc::MakeMessage(status())); });
  rpc::HandleTyped<proto::RollbackRequest>(
      *server_,
      rpc::Method::kRollback,
      [this](proto::RollbackRequest request, const Buffer& /*body*/, rpc::Responder respond) {
        queue_.Push({.what = std::move(request), .respond = std::move(respond)});
      });
  rpc::HandleTyped<proto::CutNowRequest>(
      *server_,
      rpc::Method::kCutNow,
      [this](proto::CutNowRequest request, const Buffer& /*body*/, rpc::Responder respond) {
        queue_.Push({.what = std::move(request), .respond = std::move(respond)});
      });
  rpc::HandleTyped<proto::ForgetRequest>(
      *server_,
      rpc::Method::kForget,
      [this](proto::ForgetRequest request, Buffer keys, rpc::Responder respond) {
        queue_.Push({.what = ForgetAsk{.request = std::move(request), .keys = std::move(keys)},
                     .respond = std::move(respond)});
      });
  rpc::HandleTyped<proto::ShrinkRequest>(
      *server_,
      rpc::Method::kShrink,
      [this](proto::ShrinkRequest request, const Buffer& /*body*/, rpc::Responder respond) {
        queue_.Push({.what = std::move(request), .respond = std::move(respond)});
      });
  rpc::HandleTyped<proto::ExplainKeyRequest>(
      *server_,
      rpc::Method::kExplainKey,
      [this](proto::ExplainKeyRequest request, const Buffer& /*body*/, rpc::Responder respond) {
        queue_.Push({.what = std::move(request), .respond = std::move(respond)});
      });
  rpc::HandleTyped<proto::CollectRequest>(
      *server_,
      rpc::Method::kCollect,
      [this](const proto::CollectRequest& request, const Buffer& /*body*/, rpc::Responder respond) {
        housekeeper_->Collect(
            request.dry_run(),
            [respond = std::move(respond)](const StatusOr<RemovedVersions>& removed) mutable {
              if (!removed.ok()) {
                respond(removed.status());
                return;
              }
              proto::CollectResponse response;
              for (const VersionId version : removed->versions) {
                response.add_versions(version.value());
              }
              response.set_bytes(removed->bytes);
              respond(rpc::MakeMessage(response));
            });
      });
  rpc::HandleTyped<proto::ModelRequest>(
      *server_,
      rpc::Method::kModel,
      [this](
          const proto::ModelRequest& /*request*/, const Buffer& /*body*/, rpc::Responder respond) {
        proto::ModelResponse response;
        *response.mutable_model() = options_.model;
        respond(rpc::MakeMessage(response));
      });
}

void Coordinator::HandleEvents() {
  rpc::HandleTyped<proto::EventsRequest>(
      *server_,
      rpc::Method::kEvents,
      [this](const proto::EventsRequest& request, const Buffer& /*body*/, rpc::Responder respond) {
        const auto events = events_.Query(request.after(),
                                          {request.kinds().begin(), request.kinds().end()},
                                          request.limit() == 0 ? kMostEvents : request.limit());
        if (!events.ok()) {
          respond(events.status());
          return;
        }
        proto::EventsResponse response;
        for (const Event& event : *events) {
          *response.add_events() = ToProto(event);
        }
        response.set_newest(events_.newest());
        respond(rpc::MakeMessage(response));
      });
}

// /events?after=ID&kind=KIND&limit=N, all optional: text. /events.json: a JSON object a line.
http::Response Coordinator::AnswerEvents(const http::Request& request) const {
  const auto query = ParseEventsQuery(request.query);
  if (!query.ok()) {
    return http::ErrorResponse(query.status());
  }
  const auto events = events_.Query(query->after, query->kinds, query->limit);
  if (!events.ok()) {
    return http::ErrorResponse(events.status());
  }
  const bool json = request.path == "/events.json";
  http::Response response{.content_type =
                              json ? "application/x-ndjson" : "text/plain; charset=utf-8"};
  for (const Event& event : *events) {
    response.body +=
        json ? ToJson(event) + "\n"
             : fmt::format("{} {} {} {}{}\n",
                           event.id,
                           event.unix_ms,
                           event.kind,
                           event.version == 0 ? "" : fmt::format("version={} ", event.version),
                           event.text);
  }
  return response;
}

proto::StatusResponse Coordinator::status() const {
  return BuildStatus(board_.Read(), membership_, env_.clock.UnixMillis());
}

http::Response Coordinator::Answer(const http::Request& request) {
  if (request.method != "GET") {
    http::Response response = http::ErrorResponse(405, "only GET");
    response.allow = "GET";
    return response;
  }
  if (request.path == "/metrics") {
    return {.content_type = "text/plain; version=0.0.4", .body = metrics_.Text(status())};
  }
  if (request.path == "/status") {
    http::Response response;
    google::protobuf::util::JsonPrintOptions format;
    format.always_print_primitive_fields = true;
    format.preserve_proto_field_names = true;
    google::protobuf::util::MessageToJsonString(status(), &response.body, format);
    return response;
  }
  if (request.path == "/events" || request.path == "/events.json") {
    return AnswerEvents(request);
  }
  return http::ErrorResponse(404, "there are /metrics, /status, /events and /events.json");
}

}  // namespace freshet::coordinator
