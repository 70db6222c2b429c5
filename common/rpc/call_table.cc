#include "common/rpc/call_table.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace freshet::rpc {

namespace {

constexpr std::chrono::hours kForever{24 * 365};

}  // namespace

Deadline DeadlineAfter(std::chrono::milliseconds timeout) {
  const std::chrono::milliseconds forever = kForever;
  return {.at = std::chrono::steady_clock::now() +
                std::clamp(timeout, std::chrono::milliseconds(0), forever),
          .timeout = timeout};
}

CallTable::CallTable(Loop& loop, std::string peer)
    : peer_(std::move(peer)), timer_(loop.context()) {}

uint64_t CallTable::Add(Method method, Deadline deadline, Channel::Done done) {
  const uint64_t id = next_id_++;
  calls_.emplace(id, Call{.method = method, .deadline = deadline, .done = std::move(done)});
  if (!armed_ || deadline.at < timer_.expiry()) {
    ArmTimer(deadline.at);
  }
  return id;
}

void CallTable::Finish(uint64_t id, StatusOr<Message> answer) {
  const auto call = calls_.find(id);
  if (call == calls_.end()) {
    return;
  }
  // Out of the table first: `done` may do anything, also destroy the channel.
  Channel::Done done = std::move(call->second.done);
  calls_.erase(call);
  done(std::move(answer));
}

void CallTable::FailAll(const Status& status) {
  auto calls = std::exchange(calls_, {});
  for (auto& entry : calls) {
    entry.second.done(status);
  }
}

void CallTable::ArmTimer(TimePoint at) {
  armed_ = true;
  timer_.expires_at(at);
  timer_.async_wait([weak = weak_from_this()](const asio::error_code& error) {
    const std::shared_ptr<CallTable> self = weak.lock();
    if (!error && self != nullptr) {
      self->Expire();
    }
  });
}

// Looks at all calls, but seldom: the timer moves on to the first deadline of those in flight, so
// calls that are answered in time are looked at about once per timeout.
void CallTable::Expire() {
  const TimePoint now = std::chrono::steady_clock::now();
  armed_ = false;
  std::vector<Call> expired;
  TimePoint first = TimePoint::max();
  for (auto call = calls_.begin(); call != calls_.end();) {
    const auto current = call++;
    if (current->second.deadline.at <= now) {
      expired.push_back(std::move(current->second));
      calls_.erase(current);
    } else {
      first = std::min(first, current->second.deadline.at);
    }
  }
  if (!calls_.empty()) {
    ArmTimer(first);
  }
  for (Call& call : expired) {
    call.done(DeadlineExceeded("no answer from {} to method {} within {} ms",
                               peer_,
                               static_cast<int>(call.method),
                               call.deadline.timeout.count()));
  }
}

}  // namespace freshet::rpc
