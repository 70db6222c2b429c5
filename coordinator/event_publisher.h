#pragma once
#include <memory>
#include <string>
#include <thread>

#include "common/status.h"
#include "coordinator/event_log.h"

namespace freshet::coordinator {

// Sends each event, as it is recorded, to whoever has subscribed: a ZeroMQ PUB socket whose
// messages are the kind, which subscriptions go by, and the event as JSON (docs/events.md). A
// subscriber that is slow, or comes late, misses events: it sees that by their numbers, and asks
// for them over HTTP.
class EventPublisher {
 public:
  // Sends what is recorded from now on. `events` outlives it. InvalidArgument: the address is none.
  // FailedPrecondition: it cannot be bound.
  static StatusOr<std::unique_ptr<EventPublisher>> Start(const std::string& address,
                                                         EventLog& events);
  // Closes the event log.
  ~EventPublisher();

  // As bound, with the port that was really taken.
  const std::string& endpoint() const { return endpoint_; }

 private:
  struct Socket;

  EventPublisher(std::unique_ptr<Socket> socket, std::string endpoint, EventLog& events);

  void Run();

  const std::unique_ptr<Socket> socket_;  // the thread's
  const std::string endpoint_;
  EventLog& events_;
  uint64_t sent_;  // the id of the last event
  std::thread thread_;
};

}  // namespace freshet::coordinator
