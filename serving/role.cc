#include "serving/role.h"

#include <string>
#include <utility>

#include "common/cluster/member.h"
#include "common/rpc/typed.h"
#include "proto/control.pb.h"
#include "serving/serving.h"

namespace freshet::serving {
namespace {

class ServingRole final : public RunningRole {
 public:
  ~ServingRole() override;

  Status Start(const RoleContext& context);

  std::string rpc_address() const override { return rpc_->address(); }

  std::string http_address() const override { return http_->address(); }

 private:
  Status Listen(const RoleContext& context);

  std::unique_ptr<Serving> serving_;
  std::unique_ptr<rpc::Server> rpc_;
  std::unique_ptr<http::Server> http_;
  std::unique_ptr<Member> member_;
};

// Whoever calls goes before whom it calls: the servers call serving, its follower calls the member,
// and the member asks serving for reports.
ServingRole::~ServingRole() {
  rpc_.reset();
  http_.reset();
  if (serving_ != nullptr) {
    serving_->Stop();
  }
  member_.reset();
}

Status ServingRole::Listen(const RoleContext& context) {
  const ServingSettings& settings = context.config.serving;
  const std::string& host = settings.hosts[context.rank];
  FRESHET_ASSIGN_OR_RETURN(rpc_, context.env.transport.Listen(host + ":0"));
  rpc::HandleTyped<proto::VersionNotice>(
      *rpc_,
      rpc::Method::kVersionNotice,
      [this](const proto::VersionNotice&, Buffer, rpc::Responder respond) {
        serving_->Notify();
        respond(rpc::MakeMessage(proto::VersionNoticeResponse()));
      });
  http::ServerOptions options;
  options.listen = fmt::format("{}:{}", host, PortOfRank(settings.http_port, context.rank));
  options.threads = static_cast<int>(settings.http_threads);
  FRESHET_ASSIGN_OR_RETURN(http_, http::Serve(options, [this](const http::Request& request) {
                             return serving_->Handle(request);
                           }));
  rpc_->Start();
  return absl::OkStatus();
}

Status ServingRole::Start(const RoleContext& context) {
  const ClusterConfig& config = context.config;
  ServingOptions options;
  options.log_directory = config.log_dir;
  options.poll_every = std::chrono::milliseconds(config.serving.poll_every_ms);
  options.catalogue = config.serving.catalogue;
  FRESHET_ASSIGN_OR_RETURN(serving_,
                           Serving::Make(context.env.files, context.env.clock, options, [this] {
                             member_->ReportNow();
                           }));
  FRESHET_RETURN_IF_ERROR(Listen(context));
  MemberOptions member;
  member.identity.set_role(proto::SERVING);
  member.identity.set_rank(context.rank);
  member.identity.set_address(rpc_->address());
  member.identity.set_http_address(http_->address());
  member.identity.set_build(context.build);
  // A copy: the context need not outlive the role, the config does.
  member.locate_coordinator = [context] { return context.LocateCoordinator(); };
  member_ = std::make_unique<Member>(
      context.env, std::move(member), [this] { return serving_->Report(); });
  serving_->Start();
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<RunningRole>> StartServing(const RoleContext& context) {
  auto role = std::make_unique<ServingRole>();
  FRESHET_RETURN_IF_ERROR(role->Start(context));
  return role;
}

}  // namespace freshet::serving
