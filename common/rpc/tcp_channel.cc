#include "common/rpc/tcp_channel.h"

#include <utility>
#include <vector>

#include "common/rpc/call_table.h"
#include "common/rpc/mailbox.h"
#include "common/rpc/tcp_connection.h"
#include "common/rpc/tcp_connector.h"

namespace freshet::rpc {
namespace {

struct NewCall {
  Method method;
  Message request;
  Deadline deadline;
  Channel::Done done;
};

// The channel's part on the loop. States:
//   idle        connector_ and connection_ are null; the next call begins to connect
//   connecting  connector_ is set; requests wait in held_
//   connected   connection_ is set
// Thread-safety: the loop's thread only, but for calls().
class ChannelCore : public TcpConnection::Owner, public std::enable_shared_from_this<ChannelCore> {
 public:
  ChannelCore(const std::string& address,
              const TcpOptions& options,
              Loop& loop,
              RefusalLog& refusals)
      : address_(address),
        options_(options),
        loop_(loop),
        refusals_(refusals),
        calls_(std::make_shared<CallTable>(loop, address)),
        new_calls_(std::make_shared<Mailbox<NewCall>>(loop, [this] { Drain(); })) {}

  // Any thread. Put here what shall be called.
  Mailbox<NewCall>& new_calls() { return *new_calls_; }

  void Close() {
    closed_ = true;
    Disconnect();
    calls_->FailAll(ClosedStatus());
    // Also those that a Done has begun just now.
    for (std::vector<NewCall> unseen = new_calls_->TakeAll(); !unseen.empty();
         unseen = new_calls_->TakeAll()) {
      for (NewCall& call : unseen) {
        call.done(ClosedStatus());
      }
    }
    new_calls_->Close();
  }

  Status OnFrame(Frame frame) override {
    if (frame.header.kind != FrameKind::kResponse) {
      return InvalidArgument("a request, expected responses only");
    }
    const uint64_t id = frame.header.request_id;
    if (frame.header.code == absl::StatusCode::kOk) {
      calls_->Finish(id, std::move(frame.message));
    } else {
      calls_->Finish(id, MakeStatus(frame.header.code, frame.message.head));
    }
    return {};
  }

  void OnBroken(const Status& why) override {
    Fail(Unavailable("the connection to {} broke: {}", address_, MessageOf(why)));
  }

 private:
  struct HeldRequest {
    FrameHeader header;
    Message message;
  };

  Status ClosedStatus() const { return Cancelled("the channel to {} was closed", address_); }

  void Drain() {
    const std::shared_ptr<ChannelCore> self = shared_from_this();
    for (NewCall& call : new_calls_->TakeAll()) {
      Begin(std::move(call));
    }
    if (connection_ != nullptr) {
      connection_->Flush();
    } else if (connector_ == nullptr && !held_.empty()) {
      Connect();
    }
  }

  void Begin(NewCall call) {
    if (closed_) {
      call.done(ClosedStatus());
      return;
    }
    const FrameLimits limits{options_.max_head_bytes, options_.max_body_bytes};
    if (Status status = CheckFits(call.request, limits); !status.ok()) {
      call.done(std::move(status));
      return;
    }
    const FrameHeader header{
        .kind = FrameKind::kRequest,
        .method = call.method,
        .request_id = calls_->Add(call.method, call.deadline, std::move(call.done))};
    if (connection_ != nullptr) {
      connection_->Queue(header, std::move(call.request));
    } else {
      held_.push_back({.header = header, .message = std::move(call.request)});
    }
  }

  void Connect() {
    const StatusOr<HostPort> address = ParseHostPort(address_);
    if (!address.ok()) {
      Fail(address.status());
      return;
    }
    connector_ = std::make_shared<TcpConnector>(loop_);
    connector_->Start(*address,
                      options_.connect_timeout,
                      [self = shared_from_this()](StatusOr<asio::ip::tcp::socket> socket) {
                        self->OnConnected(std::move(socket));
                      });
  }

  void OnConnected(StatusOr<asio::ip::tcp::socket> socket) {
    connector_ = nullptr;
    if (!socket.ok()) {
      Fail(Unavailable("cannot connect to {}: {}", address_, MessageOf(socket.status())));
      return;
    }
    const TcpConnection::Options options{
        .limits = {options_.max_head_bytes, options_.max_body_bytes}};
    connection_ = std::make_shared<TcpConnection>(*std::move(socket), options, *this, refusals_);
    connection_->Start();
    for (HeldRequest& request : std::exchange(held_, {})) {
      // A call may have passed its deadline meanwhile.
      if (calls_->Contains(request.header.request_id)) {
        connection_->Queue(request.header, std::move(request.message));
      }
    }
    connection_->Flush();
  }

  // Back to idle.
  void Fail(const Status& status) {
    const std::shared_ptr<ChannelCore> self = shared_from_this();
    Disconnect();
    calls_->FailAll(status);
  }

  void Disconnect() {
    held_.clear();
    if (connector_ != nullptr) {
      std::exchange(connector_, nullptr)->Cancel();
    }
    if (connection_ != nullptr) {
      std::exchange(connection_, nullptr)->Close();
    }
  }

  const std::string address_;
  const TcpOptions options_;
  Loop& loop_;
  RefusalLog& refusals_;
  bool closed_ = false;
  const std::shared_ptr<CallTable> calls_;
  const std::shared_ptr<Mailbox<NewCall>> new_calls_;
  std::shared_ptr<TcpConnector> connector_;
  std::vector<HeldRequest> held_;
  std::shared_ptr<TcpConnection> connection_;
};

class TcpChannel : public Channel {
 public:
  TcpChannel(const std::string& address,
             const TcpOptions& options,
             Loop& loop,
             RefusalLog& refusals)
      : loop_(loop), core_(std::make_shared<ChannelCore>(address, options, loop, refusals)) {}

  ~TcpChannel() override {
    loop_.RunAndWait([this] { core_->Close(); });
  }

  void Call(Method method, Message request, std::chrono::milliseconds timeout, Done done) override {
    core_->new_calls().Put({.method = method,
                            .request = std::move(request),
                            .deadline = DeadlineAfter(timeout),
                            .done = std::move(done)});
  }

 private:
  Loop& loop_;
  const std::shared_ptr<ChannelCore> core_;
};

}  // namespace

std::unique_ptr<Channel> MakeTcpChannel(const std::string& address,
                                        const TcpOptions& options,
                                        Loop& loop,
                                        RefusalLog& refusals) {
  return std::make_unique<TcpChannel>(address, options, loop, refusals);
}

}  // namespace freshet::rpc
