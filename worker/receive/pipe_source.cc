#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "worker/receive/sample_source.h"

namespace freshet::worker {
namespace {

constexpr size_t kReadBytes = 1U << 20U;

class PipeSource final : public SampleSource {
 public:
  PipeSource(int fd, FileStreamOptions::Framing framing, bool drop_header)
      : fd_(fd), framing_(framing), in_header_(drop_header) {}

  StatusOr<Received> Receive(std::chrono::milliseconds patience) override {
    Received received;
    pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, static_cast<int>(patience.count())) <= 0) {
      return received;  // nothing, or a signal
    }
    const ssize_t got = ::read(fd_, buffer_.data(), buffer_.size());
    if (got < 0 && errno != EINTR && errno != EAGAIN) {
      return FailedPrecondition("read the standard input: {}", std::strerror(errno));
    }
    received.bytes.assign(buffer_.data(), static_cast<size_t>(std::max<ssize_t>(got, 0)));
    received.ended = got == 0;
    DropHeader(&received.bytes);
    if (!received.bytes.empty()) {
      last_ = received.bytes.back();
    } else if (received.ended && framing_ == FileStreamOptions::Framing::kLines && last_ != '\n') {
      received.bytes = "\n";
    }
    return received;
  }

 private:
  void DropHeader(std::string* bytes) {
    if (!in_header_) {
      return;
    }
    const size_t end = bytes->find('\n');
    in_header_ = end == std::string::npos;
    bytes->erase(0, in_header_ ? std::string::npos : end + 1);
  }

  const int fd_;
  const FileStreamOptions::Framing framing_;
  std::vector<char> buffer_ = std::vector<char>(kReadBytes);
  bool in_header_;
  char last_ = '\n';
};

}  // namespace

std::unique_ptr<SampleSource> MakePipeSource(int fd,
                                             FileStreamOptions::Framing framing,
                                             bool drop_header) {
  return std::make_unique<PipeSource>(fd, framing, drop_header);
}

}  // namespace freshet::worker
