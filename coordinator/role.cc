#include "coordinator/role.h"

#include <string>
#include <utility>

#include "common/http/http_server.h"
#include "common/job/job_config.h"
#include "coordinator/coordinator.h"

namespace freshet {
namespace {

class CoordinatorRole final : public RunningRole {
 public:
  CoordinatorRole(std::unique_ptr<coordinator::Coordinator> coordinator,
                  std::unique_ptr<http::Server> http)
      : coordinator_(std::move(coordinator)), http_(std::move(http)) {}

  std::string rpc_address() const override { return coordinator_->address(); }

  std::string http_address() const override { return http_->address(); }

 private:
  const std::unique_ptr<coordinator::Coordinator> coordinator_;
  const std::unique_ptr<http::Server> http_;  // goes first: it asks the coordinator
};

}  // namespace

StatusOr<std::unique_ptr<RunningRole>> StartCoordinator(const RoleContext& context) {
  const CoordinatorSettings& settings = context.config.coordinator;
  FRESHET_ASSIGN_OR_RETURN(const JobConfig job,
                           LoadJobConfig(context.env.files, context.config.worker.job));
  FRESHET_ASSIGN_OR_RETURN(coordinator::Options options,
                           coordinator::MakeOptions(context.config, job));
  FRESHET_ASSIGN_OR_RETURN(
      auto running,
      coordinator::Coordinator::Start(
          context.env, std::move(options), fmt::format("{}:{}", settings.host, settings.port)));
  coordinator::Coordinator* const asked = running.get();
  FRESHET_ASSIGN_OR_RETURN(
      auto http,
      http::Serve({.listen = fmt::format("{}:{}", settings.host, settings.http_port)},
                  [asked](const http::Request& request) { return asked->Answer(request); }));
  return std::make_unique<CoordinatorRole>(std::move(running), std::move(http));
}

}  // namespace freshet
