#include "local/local_transport.h"

#include <string>
#include <utility>

namespace freshet::local {
namespace {

class BothServers final : public rpc::Server {
 public:
  BothServers(std::unique_ptr<rpc::Server> tcp, std::unique_ptr<rpc::Server> inside)
      : tcp_(std::move(tcp)), inside_(std::move(inside)) {}

  void Handle(rpc::Method method, rpc::Handler handler) override {
    const auto shared = std::make_shared<rpc::Handler>(std::move(handler));
    for (rpc::Server* server : {tcp_.get(), inside_.get()}) {
      server->Handle(method, [shared](rpc::Message message, rpc::Responder respond) {
        (*shared)(std::move(message), std::move(respond));
      });
    }
  }

  void Start() override {
    inside_->Start();
    tcp_->Start();
  }

  std::string address() const override { return tcp_->address(); }

 private:
  const std::unique_ptr<rpc::Server> tcp_;
  const std::unique_ptr<rpc::Server> inside_;
};

class LocalTransport final : public rpc::Transport {
 public:
  StatusOr<std::unique_ptr<rpc::Server>> Listen(const std::string& address) override {
    FRESHET_ASSIGN_OR_RETURN(auto tcp, tcp_->Listen(address));
    FRESHET_ASSIGN_OR_RETURN(auto inside, inside_->Listen(tcp->address()));
    return std::make_unique<BothServers>(std::move(tcp), std::move(inside));
  }

  std::unique_ptr<rpc::Channel> Connect(const std::string& address) override {
    return inside_->Connect(address);
  }

 private:
  const std::unique_ptr<rpc::Transport> tcp_ = rpc::MakeTcpTransport();
  const std::unique_ptr<rpc::Transport> inside_ = rpc::MakeInProcessTransport();
};

}  // namespace

std::unique_ptr<rpc::Transport> MakeLocalTransport() {
  return std::make_unique<LocalTransport>();
}

}  // namespace freshet::local
