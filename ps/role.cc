#include "ps/role.h"

#include <string>
#include <utility>

#include "common/cluster/member.h"
#include "common/http/http_server.h"
#include "ps/ps_server.h"

namespace freshet::ps {
namespace {

// The members go in the reverse order: whoever asks before whom it asks.
class PsRole final : public RunningRole {
 public:
  Status Start(const RoleContext& context) {
    const PsSettings& settings = context.config.ps;
    const std::string& host = settings.hosts[context.rank];
    PsOptions options;
    options.listen = fmt::format("{}:{}", host, PortOfRank(settings.port, context.rank));
    options.log_directory = context.config.log_dir;
    options.owner_threads = settings.owner_threads;
    if (settings.storage.on_ssd) {
      options.storage = {.directory = fmt::format("{}/ps-{}", settings.storage.path, context.rank),
                         .dram_bytes = settings.storage.dram_bytes};
    }
    FRESHET_ASSIGN_OR_RETURN(server_, PsServer::Start(options, context.env));
    http::ServerOptions http_options;
    http_options.listen = fmt::format("{}:{}", host, PortOfRank(settings.http_port, context.rank));
    FRESHET_ASSIGN_OR_RETURN(http_, http::Serve(http_options, [this](const http::Request& request) {
                               return Answer(request);
                             }));
    Join(context);
    return absl::OkStatus();
  }

  std::string rpc_address() const override { return server_->address(); }

  std::string http_address() const override { return http_->address(); }

 private:
  http::Response Answer(const http::Request& request) const {
    if (request.path == "/metrics") {
      return {.status = 200,
              .content_type = "text/plain; version=0.0.4",
              .body = server_->MetricsText()};
    }
    if (request.path == "/health") {
      return {.status = 200,
              .content_type = "application/json",
              .body = fmt::format(R"({{"status": "ok", "epoch": {}, "rows": {}, "bytes": {}}})",
                                  server_->epoch(),
                                  server_->rows(),
                                  server_->bytes())};
    }
    return http::ErrorResponse(NotFound("there is no {}, only /metrics and /health", request.path));
  }

  void Join(const RoleContext& context) {
    MemberOptions options;
    options.identity.set_role(proto::PS);
    options.identity.set_rank(context.rank);
    options.identity.set_address(rpc_address());
    options.identity.set_http_address(http_address());
    options.identity.set_build(context.build);
    options.locate_coordinator = [&context] { return context.LocateCoordinator(); };
    member_ = std::make_unique<Member>(context.env, std::move(options), [this] {
      proto::MemberReport report;
      report.set_epoch(server_->epoch());
      report.set_rows(server_->rows());
      report.set_bytes(server_->bytes());
      return report;
    });
  }

  std::unique_ptr<PsServer> server_;
  std::unique_ptr<http::Server> http_;
  std::unique_ptr<Member> member_;
};

}  // namespace

StatusOr<std::unique_ptr<RunningRole>> StartPs(const RoleContext& context) {
  auto role = std::make_unique<PsRole>();
  FRESHET_RETURN_IF_ERROR(role->Start(context));
  return role;
}

}  // namespace freshet::ps
