#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "common/rpc/loop.h"
#include "common/rpc/refusal_log.h"
#include "common/rpc/rpc.h"
#include "common/rpc/tcp_channel.h"
#include "common/rpc/tcp_server.h"

namespace freshet::rpc {
namespace {

class TcpTransport : public Transport {
 public:
  explicit TcpTransport(const TcpOptions& options) : options_(options) {
    for (int i = 0; i < std::max(1, options.io_threads); ++i) {
      loops_.push_back(std::make_unique<Loop>());
    }
  }

  StatusOr<std::unique_ptr<Server>> Listen(const std::string& address) override {
    return MakeTcpServer(address, options_, loops_, refusals_);
  }

  std::unique_ptr<Channel> Connect(const std::string& address) override {
    Loop& loop = *loops_[next_loop_++ % loops_.size()];
    return MakeTcpChannel(address, options_, loop, refusals_);
  }

  uint64_t bad_frames() const override { return refusals_.noted(); }

 private:
  const TcpOptions options_;
  RefusalLog refusals_;
  std::vector<std::unique_ptr<Loop>> loops_;
  // Channels are shared out among the loops, in turn.
  std::atomic<size_t> next_loop_{0};
};

}  // namespace

std::unique_ptr<Transport> MakeTcpTransport(const TcpOptions& options) {
  return std::make_unique<TcpTransport>(options);
}

}  // namespace freshet::rpc
