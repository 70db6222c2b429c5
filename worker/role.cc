#include "worker/role.h"

#include <mutex>
#include <string>
#include <utility>

#include "common/cluster/member.h"
#include "common/http/http_server.h"
#include "common/metrics/metrics.h"
#include "worker/worker.h"

namespace freshet::worker {
namespace {

// News come while the member may not be there yet, or no more.
class NewsBell {
 public:
  void Set(Member* member) {
    const std::lock_guard lock(mutex_);
    member_ = member;
  }

  void Ring() {
    const std::lock_guard lock(mutex_);
    if (member_ != nullptr) {
      member_->ReportNow();
    }
  }

 private:
  std::mutex mutex_;
  Member* member_ = nullptr;
};

class WorkerRole final : public RunningRole {
 public:
  ~WorkerRole() override { bell_.Set(nullptr); }

  Status Start(const RoleContext& context) {
    FRESHET_ASSIGN_OR_RETURN(JobConfig job,
                             LoadJobConfig(context.env.files, context.config.worker.job));
    const std::string host = context.config.worker.hosts[context.rank];
    const uint16_t http_port = context.config.worker.http_port;
    WorkerOptions options;
    options.rank = context.rank;
    options.listen = host + ":0";
    options.on_news = [this] { bell_.Ring(); };
    FRESHET_ASSIGN_OR_RETURN(
        worker_, Worker::Start(context.env, std::move(options), std::move(job), metrics_));
    http::ServerOptions http_options;
    http_options.listen = fmt::format("{}:{}", host, http_port == 0 ? 0 : http_port + context.rank);
    FRESHET_ASSIGN_OR_RETURN(http_, http::Serve(http_options, [this](const http::Request& request) {
                               return Answer(request);
                             }));
    Join(context);
    return absl::OkStatus();
  }

  std::string rpc_address() const override { return worker_->address(); }

  std::string http_address() const override { return http_->address(); }

 private:
  void Join(const RoleContext& context) {
    MemberOptions options;
    options.identity.set_role(proto::WORKER);
    options.identity.set_rank(context.rank);
    options.identity.set_address(rpc_address());
    options.identity.set_http_address(http_address());
    options.identity.set_build(context.build);
    options.locate_coordinator = [&context] { return context.LocateCoordinator(); };
    member_ = std::make_unique<Member>(
        context.env, std::move(options), [this] { return worker_->Report(); });
    bell_.Set(member_.get());
  }

  http::Response Answer(const http::Request& request) const {
    if (request.path != "/metrics") {
      return http::ErrorResponse(NotFound("there is no {}, only /metrics", request.path));
    }
    return {.status = 200, .content_type = "text/plain; version=0.0.4", .body = metrics_.Text()};
  }

  Metrics metrics_;
  NewsBell bell_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<http::Server> http_;
  std::unique_ptr<Member> member_;  // asks the worker for reports
};

}  // namespace

StatusOr<std::unique_ptr<RunningRole>> StartWorker(const RoleContext& context) {
  auto role = std::make_unique<WorkerRole>();
  FRESHET_RETURN_IF_ERROR(role->Start(context));
  return role;
}

}  // namespace freshet::worker
