#pragma once
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "common/rpc/loop.h"
#include "common/rpc/rpc.h"

namespace freshet::rpc {

using TimePoint = std::chrono::steady_clock::time_point;

struct Deadline {
  TimePoint at;
  // What was asked for.
  std::chrono::milliseconds timeout;
};

// From now on; no timeout is too long to be added.
Deadline DeadlineAfter(std::chrono::milliseconds timeout);

// The calls of one channel that wait for their answer, each with its deadline. Sees to it that each
// Done is called once. Thread-safety: the loop's thread only.
class CallTable : public std::enable_shared_from_this<CallTable> {
 public:
  // `peer` is for the messages.
  CallTable(Loop& loop, std::string peer);

  // Returns the call's id.
  uint64_t Add(Method method, Deadline deadline, Channel::Done done);

  bool Contains(uint64_t id) const { return calls_.contains(id); }

  // Nothing happens if the call has ended already, as when the answer came too late.
  void Finish(uint64_t id, StatusOr<Message> answer);
  void FailAll(const Status& status);

 private:
  struct Call {
    Method method;
    Deadline deadline;
    Channel::Done done;
  };

  void ArmTimer(TimePoint at);
  void Expire();

  const std::string peer_;
  absl::flat_hash_map<uint64_t, Call> calls_;
  uint64_t next_id_ = 1;
  // Set to a deadline that is not after the first: calls that end in time do not touch it.
  asio::steady_timer timer_;
  bool armed_ = false;
};

}  // namespace freshet::rpc
