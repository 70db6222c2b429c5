#include "common/cluster/member.h"

#include <spdlog/logger.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "common/rpc/typed.h"

namespace freshet {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// A join or heartbeat is answered at once, or the coordinator is in trouble.
constexpr milliseconds kCallTimeout{1000};
constexpr milliseconds kFirstBackoff{20};
constexpr milliseconds kLargestBackoff{500};
constexpr milliseconds kLargestHeartbeat{5000};
// A cluster that starts finds no coordinator for a moment: that is no news.
constexpr std::chrono::seconds kSilentAtFirst{1};
constexpr std::chrono::seconds kBetweenWarnings{5};

spdlog::logger& Log() {
  static const std::shared_ptr<spdlog::logger> logger = spdlog::default_logger()->clone("member");
  return *logger;
}

}  // namespace

// The thread owns everything but `shared_`.
struct Member::Impl {
  Impl(const Env& env_in, MemberOptions options_in, std::function<proto::MemberReport()> report_in)
      : env(env_in), options(std::move(options_in)), report(std::move(report_in)) {
    options.identity.set_instance(env.random.Next());
    thread = std::thread([this] { Run(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(shared->mutex);
      shared->stopping = true;
    }
    shared->changed.notify_all();
    thread.join();
  }

  void Run();
  Status JoinCluster();
  Status Heartbeat();
  StatusOr<rpc::Message> Call(rpc::Method method, rpc::Message request);
  bool Wait(milliseconds duration, bool until_news);
  void NoteFailure(const Status& status);

  // What the thread, the callers and a late answer share; outlives the member for the latter.
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    bool stopping = false;
    bool news = false;
    uint64_t call = 0;  // the one that is waited for; an answer to another is dropped
    std::optional<StatusOr<rpc::Message>> answer;
  };

  const Env& env;
  MemberOptions options;
  const std::function<proto::MemberReport()> report;
  const std::shared_ptr<Shared> shared = std::make_shared<Shared>();
  std::atomic<bool> finished{false};

  std::string address;
  std::unique_ptr<rpc::Channel> channel;
  bool joined = false;
  milliseconds heartbeat{100};
  milliseconds backoff = kFirstBackoff;
  std::optional<nanoseconds> failing_since;
  std::optional<nanoseconds> last_warning;

  std::thread thread;
};

void Member::Impl::Run() {
  while (true) {
    const Status status = joined ? Heartbeat() : JoinCluster();
    if (!status.ok()) {
      joined = false;
      NoteFailure(status);
      if (!Wait(backoff, false)) {
        return;
      }
      backoff = std::min(backoff * 2, kLargestBackoff);
      continue;
    }
    if (!Wait(heartbeat, true)) {
      return;
    }
  }
}

Status Member::Impl::JoinCluster() {
  FRESHET_ASSIGN_OR_RETURN(const std::string coordinator, options.locate_coordinator());
  if (coordinator != address || channel == nullptr) {
    channel = env.transport.Connect(coordinator);
    address = coordinator;
  }
  FRESHET_ASSIGN_OR_RETURN(const rpc::Message answer,
                           Call(rpc::Method::kJoin, rpc::MakeMessage(options.identity)));
  FRESHET_ASSIGN_OR_RETURN(const auto response, rpc::ParseHead<proto::JoinResponse>(answer));
  heartbeat = std::clamp(milliseconds(response.heartbeat_ms()), milliseconds(1), kLargestHeartbeat);
  joined = true;
  backoff = kFirstBackoff;
  failing_since.reset();
  last_warning.reset();
  Log().info("joined coordinator={} role={} rank={} instance={:016x} epoch={} heartbeat_ms={}",
             address,
             proto::Role_Name(options.identity.role()),
             options.identity.rank(),
             options.identity.instance(),
             response.epoch(),
             heartbeat.count());
  return Heartbeat();  // it may carry news
}

Status Member::Impl::Heartbeat() {
  proto::HeartbeatRequest request;
  request.set_role(options.identity.role());
  request.set_rank(options.identity.rank());
  request.set_instance(options.identity.instance());
  *request.mutable_report() = report();
  FRESHET_ASSIGN_OR_RETURN(const rpc::Message answer,
                           Call(rpc::Method::kHeartbeat, rpc::MakeMessage(request)));
  FRESHET_ASSIGN_OR_RETURN(const auto response, rpc::ParseHead<proto::HeartbeatResponse>(answer));
  if (!response.known()) {
    return Aborted("the coordinator at {} does not know this member (any more)", address);
  }
  finished.store(response.training_finished());
  return absl::OkStatus();
}

// Waits for the answer or for the end of the member, whichever is first.
StatusOr<rpc::Message> Member::Impl::Call(rpc::Method method, rpc::Message request) {
  uint64_t number = 0;
  {
    const std::lock_guard lock(shared->mutex);
    number = ++shared->call;
    shared->answer.reset();
  }
  channel->Call(method,
                std::move(request),
                kCallTimeout,
                [state = shared, number](StatusOr<rpc::Message> answer) {
                  {
                    const std::lock_guard lock(state->mutex);
                    if (state->call != number) {
                      return;
                    }
                    state->answer = std::move(answer);
                  }
                  state->changed.notify_all();
                });
  std::unique_lock lock(shared->mutex);
  shared->changed.wait(lock, [this] { return shared->stopping || shared->answer.has_value(); });
  if (!shared->answer.has_value()) {
    return Cancelled("the member stops");
  }
  return *std::exchange(shared->answer, std::nullopt);
}

// False: the member stops.
bool Member::Impl::Wait(milliseconds duration, bool until_news) {
  std::unique_lock lock(shared->mutex);
  shared->changed.wait_for(lock, duration, [this, until_news] {
    return shared->stopping || (until_news && shared->news);
  });
  if (until_news) {
    shared->news = false;
  }
  return !shared->stopping;
}

void Member::Impl::NoteFailure(const Status& status) {
  const nanoseconds now = env.clock.Monotonic();
  if (!failing_since.has_value()) {
    failing_since = now;
  }
  const bool due = last_warning.has_value() ? now - *last_warning >= kBetweenWarnings
                                            : now - *failing_since >= kSilentAtFirst;
  if (!due) {
    Log().debug("not joined error=\"{}\"", status.ToString());
    return;
  }
  last_warning = now;
  Log().warn("cannot reach the coordinator, trying on role={} rank={} for_ms={} error=\"{}\"",
             proto::Role_Name(options.identity.role()),
             options.identity.rank(),
             std::chrono::duration_cast<milliseconds>(now - *failing_since).count(),
             status.ToString());
}

Member::Member(const Env& env, MemberOptions options, std::function<proto::MemberReport()> report)
    : impl_(std::make_unique<Impl>(env, std::move(options), std::move(report))) {}

Member::~Member() = default;

void Member::ReportNow() {
  {
    const std::lock_guard lock(impl_->shared->mutex);
    impl_->shared->news = true;
  }
  impl_->shared->changed.notify_all();
}

bool Member::training_finished() const {
  return impl_->finished.load();
}

}  // namespace freshet
