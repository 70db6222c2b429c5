#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/check.h"
#include "common/rpc/call_table.h"
#include "common/rpc/handler_table.h"
#include "common/rpc/loop.h"
#include "common/rpc/mailbox.h"
#include "common/rpc/responder.h"
#include "common/rpc/rpc.h"

// One loop carries all messages, by moving them. Everything but the mailboxes, and a server's
// handlers before Start, is touched on the loop's thread only.
namespace freshet::rpc {
namespace {

class ChannelCore;
class ServerCore;

// The servers by name.
using Directory = std::map<std::string, std::shared_ptr<ServerCore>>;

struct NewCall {
  Method method;
  Message request;
  Deadline deadline;
  Channel::Done done;
};

struct Request {
  std::weak_ptr<ChannelCore> from;
  uint64_t call_id;
  Method method;
  Message message;
};

struct Answer {
  std::weak_ptr<ChannelCore> to;
  uint64_t call_id;
  StatusOr<Message> result;
};

// Where a Responder puts its answer.
struct AnswerSink {
  std::shared_ptr<Mailbox<Answer>> answers;
  std::weak_ptr<ChannelCore> to;
  uint64_t call_id;

  void operator()(StatusOr<Message> result) {
    answers->Put({.to = std::move(to), .call_id = call_id, .result = std::move(result)});
  }
};

class ChannelCore : public std::enable_shared_from_this<ChannelCore> {
 public:
  ChannelCore(const std::string& address, Loop& loop, const Directory& servers)
      : address_(address),
        servers_(servers),
        calls_(std::make_shared<CallTable>(loop, address)),
        new_calls_(std::make_shared<Mailbox<NewCall>>(loop, [this] { Drain(); })) {}

  // Any thread.
  Mailbox<NewCall>& new_calls() { return *new_calls_; }

  CallTable& calls() { return *calls_; }

  void OnServerGone() {
    const std::shared_ptr<ChannelCore> self = shared_from_this();
    server_.reset();
    calls_->FailAll(Unavailable("the connection to {} broke: the server is gone", address_));
  }

  void Close();

 private:
  Status ClosedStatus() const { return Cancelled("the channel to {} was closed", address_); }

  void Drain();
  void Begin(NewCall call);
  std::shared_ptr<ServerCore> Connect();

  const std::string address_;
  const Directory& servers_;
  bool closed_ = false;
  const std::shared_ptr<CallTable> calls_;
  const std::shared_ptr<Mailbox<NewCall>> new_calls_;
  // The server that knows this channel.
  std::weak_ptr<ServerCore> server_;
};

class ServerCore {
 public:
  explicit ServerCore(Loop& loop)
      : answers_(std::make_shared<Mailbox<Answer>>(loop, [this] { CarryAnswers(); })) {}

  HandlerTable& handlers() { return handlers_; }

  void Attach(const std::shared_ptr<ChannelCore>& channel) { channels_.insert(channel); }

  void Detach(const std::shared_ptr<ChannelCore>& channel) { channels_.erase(channel); }

  void Take(Request request) {
    if (!started_) {
      early_.push_back(std::move(request));
      return;
    }
    AnswerSink sink{.answers = answers_, .to = std::move(request.from), .call_id = request.call_id};
    handlers_.Dispatch(request.method,
                       std::move(request.message),
                       OnceResponder<AnswerSink>(request.method, std::move(sink)));
  }

  void Start() {
    started_ = true;
    for (Request& request : std::exchange(early_, {})) {
      Take(std::move(request));
    }
  }

  void Close() {
    answers_->Close();
    for (const auto& channel : std::exchange(channels_, {})) {
      channel->OnServerGone();
    }
  }

 private:
  void CarryAnswers() {
    for (Answer& answer : answers_->TakeAll()) {
      if (const std::shared_ptr<ChannelCore> channel = answer.to.lock()) {
        channel->calls().Finish(answer.call_id, std::move(answer.result));
      }
    }
  }

  HandlerTable handlers_;
  bool started_ = false;
  // Came before Start.
  std::vector<Request> early_;
  std::set<std::shared_ptr<ChannelCore>> channels_;
  const std::shared_ptr<Mailbox<Answer>> answers_;
};

void ChannelCore::Close() {
  closed_ = true;
  if (const std::shared_ptr<ServerCore> server = server_.lock()) {
    server->Detach(shared_from_this());
  }
  server_.reset();
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

void ChannelCore::Drain() {
  const std::shared_ptr<ChannelCore> self = shared_from_this();
  for (NewCall& call : new_calls_->TakeAll()) {
    Begin(std::move(call));
  }
}

void ChannelCore::Begin(NewCall call) {
  if (closed_) {
    call.done(ClosedStatus());
    return;
  }
  const std::shared_ptr<ServerCore> server = Connect();
  if (server == nullptr) {
    call.done(Unavailable("cannot connect to {}: nobody listens", address_));
    return;
  }
  const uint64_t id = calls_->Add(call.method, call.deadline, std::move(call.done));
  server->Take({.from = weak_from_this(),
                .call_id = id,
                .method = call.method,
                .message = std::move(call.request)});
}

std::shared_ptr<ServerCore> ChannelCore::Connect() {
  std::shared_ptr<ServerCore> server = server_.lock();
  if (server == nullptr) {
    const auto found = servers_.find(address_);
    if (found == servers_.end()) {
      return nullptr;
    }
    server = found->second;
    server->Attach(shared_from_this());
    server_ = server;
  }
  return server;
}

class InProcessChannel : public Channel {
 public:
  InProcessChannel(const std::string& address, Loop& loop, const Directory& servers)
      : loop_(loop), core_(std::make_shared<ChannelCore>(address, loop, servers)) {}

  ~InProcessChannel() override {
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

class InProcessServer : public Server {
 public:
  InProcessServer(std::string address,
                  Loop& loop,
                  Directory& servers,
                  std::shared_ptr<ServerCore> core)
      : address_(std::move(address)), loop_(loop), servers_(servers), core_(std::move(core)) {}

  ~InProcessServer() override {
    loop_.RunAndWait([this] {
      servers_.erase(address_);
      core_->Close();
    });
    core_->handlers().Clear();
  }

  void Handle(Method method, Handler handler) override {
    FRESHET_CHECK(!started_);
    core_->handlers().Add(method, std::move(handler));
  }

  void Start() override {
    FRESHET_CHECK(!started_);
    started_ = true;
    loop_.Post([core = core_] { core->Start(); });
  }

  std::string address() const override { return address_; }

 private:
  const std::string address_;
  Loop& loop_;
  Directory& servers_;
  const std::shared_ptr<ServerCore> core_;
  bool started_ = false;
};

class InProcessTransport : public Transport {
 public:
  StatusOr<std::unique_ptr<Server>> Listen(const std::string& address) override {
    auto core = std::make_shared<ServerCore>(loop_);
    std::string taken;
    loop_.RunAndWait([&] { taken = Register(address, core); });
    if (taken.empty()) {
      return AlreadyExists("cannot listen on {}: the name is taken", address);
    }
    return std::make_unique<InProcessServer>(taken, loop_, servers_, std::move(core));
  }

  std::unique_ptr<Channel> Connect(const std::string& address) override {
    return std::make_unique<InProcessChannel>(address, loop_, servers_);
  }

 private:
  // The name, or "" if it is taken. "" and "...:0" ask for any.
  std::string Register(const std::string& address, const std::shared_ptr<ServerCore>& core) {
    const bool any = address.empty() || address.ends_with(":0");
    if (!any) {
      return servers_.emplace(address, core).second ? address : "";
    }
    const std::string host = address.empty() ? "in-process" : address.substr(0, address.size() - 2);
    while (true) {
      std::string name = fmt::format("{}:{}", host, next_port_++);
      if (servers_.emplace(name, core).second) {
        return name;
      }
    }
  }

  uint64_t next_port_ = 1;
  Directory servers_;
  // After what its thread touches: it ends first.
  Loop loop_;
};

}  // namespace

std::unique_ptr<Transport> MakeInProcessTransport() {
  return std::make_unique<InProcessTransport>();
}

}  // namespace freshet::rpc
