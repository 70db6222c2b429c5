#include "common/rpc/tcp_server.h"

#include <spdlog/spdlog.h>

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <unordered_set>
#include <utility>

#include "common/check.h"
#include "common/rpc/address.h"
#include "common/rpc/handler_table.h"
#include "common/rpc/log.h"
#include "common/rpc/mailbox.h"
#include "common/rpc/responder.h"
#include "common/rpc/tcp_connection.h"

namespace freshet::rpc {
namespace {

using asio::ip::tcp;

// After accept failed, as it does when the process has no file descriptor left.
constexpr std::chrono::milliseconds kAcceptPause{100};

class ServerConnection;

// A loop and the server's connections that live on it. Thread-safety: the loop's thread only.
struct Lane {
  Loop* loop;
  bool closed = false;
  std::unordered_set<std::shared_ptr<ServerConnection>> connections;
};

struct Answer {
  Method method;
  uint64_t request_id;
  uint64_t request_bytes;
  StatusOr<Message> result;
};

// Where a Responder puts its answer.
struct AnswerSink {
  std::shared_ptr<Mailbox<Answer>> answers;
  Method method;
  uint64_t request_id;
  uint64_t request_bytes;

  void operator()(StatusOr<Message> result) {
    answers->Put({.method = method,
                  .request_id = request_id,
                  .request_bytes = request_bytes,
                  .result = std::move(result)});
  }
};

// One client, seen from the server. Thread-safety: the lane's thread only.
class ServerConnection : public TcpConnection::Owner,
                         public std::enable_shared_from_this<ServerConnection> {
 public:
  // `handlers` and `lane` live until Close or OnBroken.
  ServerConnection(tcp::socket socket,
                   const TcpConnection::Options& options,
                   std::chrono::milliseconds first_frame_timeout,
                   const HandlerTable& handlers,
                   Lane& lane,
                   RefusalLog& refusals)
      : limits_(options.limits),
        handlers_(handlers),
        lane_(lane),
        answers_(std::make_shared<Mailbox<Answer>>(*lane.loop, [this] { SendAnswers(); })),
        connection_(std::make_shared<TcpConnection>(std::move(socket), options, *this, refusals)),
        first_frame_timeout_(first_frame_timeout),
        first_frame_(lane.loop->context()) {}

  void Start() {
    first_frame_.expires_after(first_frame_timeout_);
    first_frame_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) {
        self->connection_->Refuse(
            InvalidArgument("no whole frame within {} ms", self->first_frame_timeout_.count()));
      }
    });
    connection_->Start();
  }

  void Close() {
    first_frame_.cancel();
    answers_->Close();
    connection_->Close();
  }

  Status OnFrame(Frame frame) override {
    if (frame.header.kind != FrameKind::kRequest) {
      return InvalidArgument("a response, expected requests only");
    }
    first_frame_.cancel();
    const Method method = frame.header.method;
    const uint64_t bytes = frame.message.head.size() + frame.message.body.size();
    AnswerSink sink{.answers = answers_,
                    .method = method,
                    .request_id = frame.header.request_id,
                    .request_bytes = bytes};
    connection_->Hold(bytes);
    handlers_.Dispatch(
        method, std::move(frame.message), OnceResponder<AnswerSink>(method, std::move(sink)));
    return {};
  }

  void OnBroken(const Status& why) override {
    Log().debug("connection ended reason=\"{}\"", MessageOf(why));
    first_frame_.cancel();
    answers_->Close();
    lane_.connections.erase(shared_from_this());
  }

 private:
  void SendAnswers() {
    const std::shared_ptr<ServerConnection> self = shared_from_this();
    for (Answer& answer : answers_->TakeAll()) {
      const uint64_t request_bytes = answer.request_bytes;
      Queue(std::move(answer));
      connection_->Release(request_bytes);
    }
    connection_->Flush();
  }

  void Queue(Answer answer) {
    if (answer.result.ok()) {
      if (const Status fits = CheckFits(*answer.result, limits_); !fits.ok()) {
        answer.result = Annotate(fits, "the answer does not fit into a frame");
      }
    }
    FrameHeader header{.kind = FrameKind::kResponse,
                       .method = answer.method,
                       .code = answer.result.status().code(),
                       .request_id = answer.request_id};
    if (answer.result.ok()) {
      connection_->Queue(header, *std::move(answer.result));
      return;
    }
    std::string text = MessageOf(answer.result.status());
    text.resize(std::min<size_t>(text.size(), limits_.max_head_bytes));
    connection_->Queue(header, Message{.head = std::move(text), .body = {}});
  }

  const FrameLimits limits_;
  const HandlerTable& handlers_;
  Lane& lane_;
  const std::shared_ptr<Mailbox<Answer>> answers_;
  const std::shared_ptr<TcpConnection> connection_;
  const std::chrono::milliseconds first_frame_timeout_;
  asio::steady_timer first_frame_;  // until the first whole frame
};

// What the operations under way hold on to. The acceptor lives on the first lane.
class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  ServerCore(tcp::acceptor acceptor,
             const TcpOptions& options,
             const std::vector<std::unique_ptr<Loop>>& loops,
             RefusalLog& refusals)
      : options_{.limits = {options.max_head_bytes, options.max_body_bytes},
                 .max_unsent_bytes = options.max_unsent_bytes,
                 .max_held_bytes = options.max_unanswered_bytes},
        first_frame_timeout_(options.first_frame_timeout),
        refusals_(refusals),
        acceptor_(std::move(acceptor)),
        pause_(loops.front()->context()) {
    for (const std::unique_ptr<Loop>& loop : loops) {
      lanes_.push_back({.loop = loop.get(), .connections = {}});
    }
  }

  HandlerTable& handlers() { return handlers_; }

  void Start() {
    lanes_.front().loop->Post([self = shared_from_this()] { self->Accept(); });
  }

  void Close() {
    lanes_.front().loop->RunAndWait([this] {
      asio::error_code ignored;
      acceptor_.close(ignored);
      pause_.cancel();
    });
    for (Lane& lane : lanes_) {
      lane.loop->RunAndWait([&lane] {
        lane.closed = true;
        for (const auto& connection : std::exchange(lane.connections, {})) {
          connection->Close();
        }
      });
    }
    handlers_.Clear();
  }

 private:
  void Accept() {
    if (!acceptor_.is_open()) {
      return;
    }
    Lane& lane = lanes_[next_lane_++ % lanes_.size()];
    acceptor_.async_accept(lane.loop->context(),
                           [self = shared_from_this(), &lane](const asio::error_code& error,
                                                              tcp::socket socket) mutable {
                             self->OnAccept(error, std::move(socket), lane);
                           });
  }

  void OnAccept(const asio::error_code& error, tcp::socket socket, Lane& lane) {
    if (!acceptor_.is_open()) {
      return;
    }
    if (error) {
      Log().warn("cannot accept a connection reason=\"{}\"", error.message());
      pause_.expires_after(kAcceptPause);
      pause_.async_wait([self = shared_from_this()](const asio::error_code&) { self->Accept(); });
      return;
    }
    lane.loop->Post([self = shared_from_this(), &lane, socket = std::move(socket)]() mutable {
      if (lane.closed) {
        return;
      }
      auto connection = std::make_shared<ServerConnection>(std::move(socket),
                                                           self->options_,
                                                           self->first_frame_timeout_,
                                                           self->handlers_,
                                                           lane,
                                                           self->refusals_);
      lane.connections.insert(connection);
      connection->Start();
    });
    Accept();
  }

  // Immutable after Start.
  const TcpConnection::Options options_;
  const std::chrono::milliseconds first_frame_timeout_;
  RefusalLog& refusals_;
  HandlerTable handlers_;

  // The first lane's thread only.
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  size_t next_lane_ = 0;

  std::vector<Lane> lanes_;
};

class TcpServer : public Server {
 public:
  TcpServer(std::string address, std::shared_ptr<ServerCore> core)
      : address_(std::move(address)), core_(std::move(core)) {}

  ~TcpServer() override { core_->Close(); }

  void Handle(Method method, Handler handler) override {
    FRESHET_CHECK(!started_);
    core_->handlers().Add(method, std::move(handler));
  }

  void Start() override {
    FRESHET_CHECK(!started_);
    started_ = true;
    core_->Start();
  }

  std::string address() const override { return address_; }

 private:
  const std::string address_;
  const std::shared_ptr<ServerCore> core_;
  bool started_ = false;
};

StatusOr<tcp::endpoint> Resolve(const HostPort& address, asio::io_context& context) {
  asio::error_code error;
  tcp::resolver resolver(context);
  const auto endpoints =
      resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, error);
  if (error) {
    return Unavailable("cannot look up {}: {}", address.host, error.message());
  }
  return endpoints.begin()->endpoint();
}

Status OpenAcceptor(const HostPort& address, tcp::acceptor& acceptor, asio::io_context& context) {
  FRESHET_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, Resolve(address, context));
  asio::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) {
    acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  }
  if (!error) {
    acceptor.bind(endpoint, error);
  }
  if (!error) {
    acceptor.listen(tcp::acceptor::max_listen_connections, error);
  }
  if (error == asio::error::address_in_use) {
    return AlreadyExists("cannot listen on {}: {}", ToString(address), error.message());
  }
  return error ? Unavailable("cannot listen on {}: {}", ToString(address), error.message())
               : Status();
}

}  // namespace

StatusOr<std::unique_ptr<Server>> MakeTcpServer(const std::string& address,
                                                const TcpOptions& options,
                                                const std::vector<std::unique_ptr<Loop>>& loops,
                                                RefusalLog& refusals) {
  FRESHET_ASSIGN_OR_RETURN(HostPort taken, ParseHostPort(address));
  asio::io_context& context = loops.front()->context();
  tcp::acceptor acceptor(context);
  FRESHET_RETURN_IF_ERROR(OpenAcceptor(taken, acceptor, context));
  asio::error_code error;
  taken.port = acceptor.local_endpoint(error).port();
  auto core = std::make_shared<ServerCore>(std::move(acceptor), options, loops, refusals);
  return std::make_unique<TcpServer>(ToString(taken), std::move(core));
}

}  // namespace freshet::rpc
