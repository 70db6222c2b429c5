#include "coordinator/coordinator.h"

#include <google/protobuf/util/json_util.h>

#include <utility>

#include "common/rpc/typed.h"
#include "coordinator/model_check.h"
#include "coordinator/status.h"

namespace freshet::coordinator {
namespace {

constexpr size_t kEventsShown = 200;

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
  coordinator->server_->Start();
  coordinator->control_ = std::make_unique<Control>(coordinator->context_,
                                                    coordinator->membership_,
                                                    coordinator->queue_,
                                                    coordinator->board_,
                                                    coordinator->metrics_);
  return coordinator;
}

Coordinator::Coordinator(const Env& env, Options options, std::unique_ptr<StateStore> store)
    : env_(env),
      options_(std::move(options)),
      store_(std::move(store)),
      log_(env.files, options_.log_dir),
      context_{.options = options_, .env = env_, .log = log_, .store = *store_},
      membership_(options_, env.clock, [this] { queue_.Wake(); }) {}

Coordinator::~Coordinator() {
  control_.reset();  // while members can still be heard
  server_.reset();
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
  if (request.path == "/events") {
    const auto events = store_->RecentEvents(kEventsShown);
    if (!events.ok()) {
      return http::ErrorResponse(events.status());
    }
    http::Response response{.content_type = "text/plain; charset=utf-8"};
    for (const Event& event : *events) {
      response.body += fmt::format("{} {} {}\n", event.unix_ms, event.kind, event.text);
    }
    return response;
  }
  return http::ErrorResponse(404, "there are /metrics, /status and /events");
}

}  // namespace freshet::coordinator
