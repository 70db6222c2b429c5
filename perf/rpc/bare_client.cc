#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "perf/rpc/bare_server.h"
#include "perf/rpc/client.h"
#include "perf/rpc/pipelined.h"

namespace freshet::perf {
namespace {

class BareClient final : public Client {
 public:
  explicit BareClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      std::perror("connect to the bare server");
      std::exit(1);
    }
    const int yes = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }

  ~BareClient() override { ::close(fd_); }

  RunTime Pull(const std::vector<Keys>& batches, size_t in_flight) override {
    return Run(BareOp::kPull, batches, in_flight);
  }

  RunTime Push(const std::vector<Keys>& batches, size_t in_flight) override {
    return Run(BareOp::kPush, batches, in_flight);
  }

 private:
  RunTime Run(BareOp op, const std::vector<Keys>& batches, size_t in_flight) {
    return RunPipelined(
        batches,
        in_flight,
        [&](const Keys& keys) { Send(op, keys); },
        [&](size_t keys) { Receive(op, keys); });
  }

  void Send(BareOp op, const Keys& keys) {
    const BareHead head{.op = static_cast<uint32_t>(op),
                        .count = static_cast<uint32_t>(keys.size())};
    WriteWhole(fd_, &head, sizeof head);
    WriteWhole(fd_, keys.data(), keys.size() * sizeof(Key));
    if (op == BareOp::kPush) {
      floats_.resize(keys.size() * kDim, 0.001F);
      WriteWhole(fd_, floats_.data(), floats_.size() * sizeof(float));
    }
  }

  void Receive(BareOp op, size_t keys) {
    uint32_t done = 0;
    floats_.resize(std::max(floats_.size(), keys * kDim), 0.001F);
    if (op == BareOp::kPull) {
      rows_.resize(keys * kDim);
    }
    const bool whole = op == BareOp::kPull
                           ? ReadWhole(fd_, rows_.data(), rows_.size() * sizeof(float))
                           : ReadWhole(fd_, &done, sizeof done);
    if (!whole) {
      std::fprintf(stderr, "the bare server is gone\n");
      std::exit(1);
    }
  }

  const int fd_;
  std::vector<float> floats_;
  std::vector<float> rows_;
};

}  // namespace

std::unique_ptr<Client> MakeBareClient(uint16_t port) {
  return std::make_unique<BareClient>(port);
}

}  // namespace freshet::perf
