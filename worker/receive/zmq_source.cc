#include <zmq.hpp>

#include "common/stream/record_ends.h"
#include "common/zmq_socket.h"
#include "worker/receive/sample_source.h"

namespace freshet::worker {
namespace {

constexpr size_t kMostBytesAtOnce = 1U << 20U;
// Messages that wait in the socket; further ones wait at their sender.
constexpr int kReceiveQueue = 10'000;

class ZmqSource final : public SampleSource {
 public:
  explicit ZmqSource(FileStreamOptions::Framing framing) : framing_(framing) {}

  Status Open(const ReceiveSettings& settings, uint64_t max_record_bytes) {
    socket_.set(zmq::sockopt::rcvhwm, kReceiveQueue);
    socket_.set(zmq::sockopt::linger, 0);
    // Whoever sends more is disconnected before it takes memory.
    socket_.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(max_record_bytes) + 2);
    return BindOrConnect(socket_, settings.address, settings.connect);
  }

  StatusOr<Received> Receive(std::chrono::milliseconds patience) override {
    Received received;
    try {
      zmq::pollitem_t ready{socket_.handle(), 0, ZMQ_POLLIN, 0};
      zmq::poll(&ready, 1, patience);
      zmq::message_t message;
      while (received.bytes.size() < kMostBytesAtOnce &&
             socket_.recv(message, zmq::recv_flags::dontwait)) {
        Add(message.to_string_view(), &received.bytes);
      }
    } catch (const zmq::error_t& error) {
      if (error.num() != EINTR) {
        return FailedPrecondition("receive from ZeroMQ: {}", error.what());
      }
    }
    return received;
  }

 private:
  void Add(std::string_view record, std::string* bytes) const {
    if (framing_ == FileStreamOptions::Framing::kMessages) {
      AppendMessageLength(record.size(), bytes);
      bytes->append(record);
    } else if (!record.empty()) {
      bytes->append(record);
      if (record.back() != '\n') {
        bytes->push_back('\n');
      }
    }
  }

  const FileStreamOptions::Framing framing_;
  zmq::context_t context_{1};
  zmq::socket_t socket_{context_, zmq::socket_type::pull};
};

}  // namespace

StatusOr<std::unique_ptr<SampleSource>> MakeZmqSource(const ReceiveSettings& settings,
                                                      FileStreamOptions::Framing framing,
                                                      uint64_t max_record_bytes) {
  auto source = std::make_unique<ZmqSource>(framing);
  FRESHET_RETURN_IF_ERROR(source->Open(settings, max_record_bytes));
  return source;
}

}  // namespace freshet::worker
