#include "coordinator/event_publisher.h"

#include <utility>
#include <vector>
#include <zmq.hpp>

#include "common/zmq_socket.h"
#include "coordinator/log.h"

namespace freshet::coordinator {
namespace {

constexpr size_t kEventsAtOnce = 100;
// How long a closed socket goes on sending what it has.
constexpr int kLingerMs = 200;

}  // namespace

struct EventPublisher::Socket {
  zmq::context_t context{1};
  zmq::socket_t socket{context, zmq::socket_type::pub};
};

StatusOr<std::unique_ptr<EventPublisher>> EventPublisher::Start(const std::string& address,
                                                                EventLog& events) {
  auto socket = std::make_unique<Socket>();
  socket->socket.set(zmq::sockopt::linger, kLingerMs);
  FRESHET_RETURN_IF_ERROR(
      Annotate(BindOrConnect(socket->socket, address, false), "coordinator.publish"));
  std::string endpoint = socket->socket.get(zmq::sockopt::last_endpoint);
  return std::unique_ptr<EventPublisher>(
      new EventPublisher(std::move(socket), std::move(endpoint), events));
}

EventPublisher::EventPublisher(std::unique_ptr<Socket> socket,
                               std::string endpoint,
                               EventLog& events)
    : socket_(std::move(socket)),
      endpoint_(std::move(endpoint)),
      events_(events),
      sent_(events.newest()),
      thread_([this] { Run(); }) {
  Log().info("publishes events at={}", endpoint_);
}

EventPublisher::~EventPublisher() {
  events_.Close();
  thread_.join();
}

void EventPublisher::Run() {
  while (!events_.closed()) {
    events_.Await(sent_);
    const auto events = events_.After(sent_, {}, kEventsAtOnce);
    if (!events.ok()) {
      Log().error("cannot read events to publish error=\"{}\"", events.status().ToString());
      return;
    }
    for (const Event& event : *events) {
      try {
        socket_->socket.send(zmq::buffer(event.kind), zmq::send_flags::sndmore);
        socket_->socket.send(zmq::buffer(ToJson(event)), zmq::send_flags::none);
      } catch (const zmq::error_t& error) {
        Log().error("cannot publish event={} error=\"{}\"", event.id, error.what());
      }
      sent_ = event.id;
    }
  }
}

}  // namespace freshet::coordinator
