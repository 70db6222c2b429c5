#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "common/env/clock.h"
#include "common/rpc/rpc.h"
#include "worker/metrics.h"

namespace freshet::worker {

// Makes calls that must get through: one that fails for a reason that may pass (Unavailable,
// DeadlineExceeded) is made again, after pauses that grow. Thread-safety: any thread.
class Retrier {
 public:
  struct Call {
    rpc::Channel* channel = nullptr;
    rpc::Method method{};
    std::function<rpc::Message()> make_request;  // called for each try
    // Called once: with the answer, with an error that will not pass, or with Cancelled. On a
    // transport thread, or on that of Stop; must not block.
    absl::AnyInvocable<void(StatusOr<rpc::Message>)> done;
  };

  Retrier(Clock& clock, std::chrono::milliseconds timeout_of_a_try, WorkerMetrics& metrics);
  // Stop has been called, and the channels of all calls are gone.
  ~Retrier();

  void Start(Call call);
  // Makes no further try. Calls that wait for their next one end with Cancelled; those under way
  // end with their channel.
  void Stop();

 private:
  struct Attempt;
  struct Waiting;

  void Send(std::shared_ptr<Attempt> attempt);
  void OnAnswer(std::shared_ptr<Attempt> attempt, StatusOr<rpc::Message> answer);
  bool SendLater(std::shared_ptr<Attempt>& attempt);
  void Run();

  Clock& clock_;
  const std::chrono::milliseconds timeout_;
  WorkerMetrics& metrics_;
  const std::unique_ptr<Waiting> waiting_;
  std::thread thread_;
};

}  // namespace freshet::worker
