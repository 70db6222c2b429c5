#include "worker/retrier.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

namespace freshet::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds kFirstPause{5};
constexpr milliseconds kLongestPause{500};

// ResourceExhausted: a server has too much to do for now. In bsp it also refuses further tries of a
// pull whose earlier ones it still holds for the step before.
bool MayPass(const Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status);
}

Status Stopped() {
  return Cancelled("the session ends");
}

}  // namespace

struct Retrier::Attempt {
  Call call;
  milliseconds pause = kFirstPause;
};

struct Retrier::Waiting {
  std::mutex mutex;
  std::condition_variable changed;
  bool stopped = false;
  std::multimap<nanoseconds, std::shared_ptr<Attempt>> by_due;  // Clock::Monotonic
};

Retrier::Retrier(Clock& clock, milliseconds timeout_of_a_try, WorkerMetrics& metrics)
    : clock_(clock),
      timeout_(timeout_of_a_try),
      metrics_(metrics),
      waiting_(std::make_unique<Waiting>()),
      thread_([this] { Run(); }) {}

Retrier::~Retrier() {
  Stop();
}

void Retrier::Start(Call call) {
  auto attempt = std::make_shared<Attempt>();
  attempt->call = std::move(call);
  Send(std::move(attempt));
}

void Retrier::Stop() {
  std::multimap<nanoseconds, std::shared_ptr<Attempt>> left;
  {
    const std::lock_guard lock(waiting_->mutex);
    waiting_->stopped = true;
    left.swap(waiting_->by_due);
  }
  waiting_->changed.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
  for (auto& [due, attempt] : left) {
    attempt->call.done(Stopped());
  }
}

void Retrier::Send(std::shared_ptr<Attempt> attempt) {
  rpc::Channel* channel = attempt->call.channel;
  const rpc::Method method = attempt->call.method;
  rpc::Message request = attempt->call.make_request();
  channel->Call(method,
                std::move(request),
                timeout_,
                [this, attempt = std::move(attempt)](StatusOr<rpc::Message> answer) mutable {
                  OnAnswer(std::move(attempt), std::move(answer));
                });
}

void Retrier::OnAnswer(std::shared_ptr<Attempt> attempt, StatusOr<rpc::Message> answer) {
  if (!answer.ok() && MayPass(answer.status())) {
    if (SendLater(attempt)) {
      return;
    }
    answer = Stopped();
  }
  attempt->call.done(std::move(answer));
}

// False once stopped: the attempt is the caller's again.
bool Retrier::SendLater(std::shared_ptr<Attempt>& attempt) {
  {
    const std::lock_guard lock(waiting_->mutex);
    if (waiting_->stopped) {
      return false;
    }
    const nanoseconds due = clock_.Monotonic() + attempt->pause;
    attempt->pause = std::min(attempt->pause * 2, kLongestPause);
    waiting_->by_due.emplace(due, std::move(attempt));
  }
  metrics_.rpc_retries.Increment();
  waiting_->changed.notify_all();
  return true;
}

void Retrier::Run() {
  std::unique_lock lock(waiting_->mutex);
  while (!waiting_->stopped) {
    if (waiting_->by_due.empty()) {
      waiting_->changed.wait(lock);
      continue;
    }
    const auto first = waiting_->by_due.begin();
    const nanoseconds left = first->first - clock_.Monotonic();
    if (left > nanoseconds::zero()) {
      waiting_->changed.wait_for(lock, left);
      continue;
    }
    std::shared_ptr<Attempt> attempt = std::move(first->second);
    waiting_->by_due.erase(first);
    lock.unlock();
    Send(std::move(attempt));
    lock.lock();
  }
}

}  // namespace freshet::worker
