#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "common/buffer.h"
#include "common/status.h"

// Requests and answers between processes: a small head (a serialized protobuf message) and a body
// of raw bytes. Two transports: TCP, and in-process for freshet-local and tests.
namespace freshet::rpc {

// What a request asks for. Fixed by number: it is on the wire.
enum class Method : uint16_t {
  // ps
  kDeclare = 1,
  kPull = 2,
  kPush = 3,
  kCut = 4,
  kWriteCut = 5,
  kEndCut = 6,
  kRestore = 7,
  kDelete = 8,
  kPsStats = 9,
  kAnnounce = 10,
  kEvict = 11,
  kExplain = 12,
  // coordinator, for members
  kJoin = 20,
  kHeartbeat = 21,
  // coordinator, for freshetctl
  kStatus = 30,
  kRollback = 31,
  kCutNow = 32,
  kForget = 33,
  kShrink = 34,
  kExplainKey = 35,
  kModel = 36,
  kCollect = 37,
  kEvents = 38,
  // worker
  kStartSession = 40,
  kHold = 41,
  kPause = 42,
  kResume = 43,
  // serving
  kVersionNotice = 50,
};

struct Message {
  std::string head;
  Buffer body;
};

// Answers one request, exactly once, from any thread. If it is destroyed unused, the caller gets
// Internal.
using Responder = absl::AnyInvocable<void(StatusOr<Message>)>;

// Called on a transport thread: must not block; may answer later.
using Handler = absl::AnyInvocable<void(Message, Responder) const>;

// Accepts connections and hands requests to handlers. Thread-safety: Handle before Start; the rest
// any thread. The destructor closes all connections and waits until no handler runs; answers
// given later go nowhere.
class Server {
 public:
  virtual ~Server() = default;

  virtual void Handle(Method method, Handler handler) = 0;
  // Begins to accept. A method without handler is answered with InvalidArgument.
  virtual void Start() = 0;
  // As "host:port", with the port that was really taken.
  virtual std::string address() const = 0;
};

// A connection to one server, made on first use and made again after it broke.
// Thread-safety: any thread. Several calls may be in flight; their answers come in any order.
class Channel {
 public:
  using Done = absl::AnyInvocable<void(StatusOr<Message>)>;

  // The destructor fails the calls in flight with Cancelled, and returns when no Done runs: so not
  // under a lock that a Done takes, nor on a transport thread, except in a Done of this channel.
  virtual ~Channel() = default;

  // `done` is called exactly once, on a transport thread (never inside Call): it must not block.
  // Errors: those of the handler; Unavailable if the connection cannot be made or breaks (the
  // request may or may not have been carried out); DeadlineExceeded after `timeout`.
  virtual void Call(Method method,
                    Message request,
                    std::chrono::milliseconds timeout,
                    Done done) = 0;

  // Waits for the answer. Never on a transport thread.
  StatusOr<Message> CallAndWait(Method method, Message request, std::chrono::milliseconds timeout);
};

// Thread-safety: any thread. Outlives its servers and channels.
class Transport {
 public:
  virtual ~Transport() = default;

  // TCP: "host:port", port 0 for any. In-process: any name.
  virtual StatusOr<std::unique_ptr<Server>> Listen(const std::string& address) = 0;
  // Does not wait for the server: an address nobody listens on fails each call.
  virtual std::unique_ptr<Channel> Connect(const std::string& address) = 0;

  // Connections closed so far because of what came over them, or did not come in time.
  virtual uint64_t bad_frames() const { return 0; }
};

struct TcpOptions {
  int io_threads = 1;
  // A frame that announces more is refused and its connection closed.
  uint32_t max_head_bytes = 4U << 20U;
  uint32_t max_body_bytes = 256U << 20U;
  std::chrono::milliseconds connect_timeout{1000};
  // A server reads no further requests from a connection to which it has more answers unsent.
  uint64_t max_unsent_bytes = 64U << 20U;
  // Nor from one of whose requests so many bytes are not yet answered.
  uint64_t max_unanswered_bytes = 256U << 20U;
  // A server closes a connection that has not sent a whole frame within this of its begin.
  std::chrono::milliseconds first_frame_timeout{30'000};
};

std::unique_ptr<Transport> MakeTcpTransport(const TcpOptions& options = {});
std::unique_ptr<Transport> MakeInProcessTransport();

}  // namespace freshet::rpc
