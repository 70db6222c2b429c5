#pragma once
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "common/check.h"

namespace freshet::fuzz {

// A PUSH socket over a Unix socket, byte by byte (ZMTP 3.0, rfc.zeromq.org/spec/23), to say to a
// PULL socket also what libzmq would not.
class ZmtpPeer {
 public:
  explicit ZmtpPeer(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    FRESHET_CHECK(fd_ >= 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    FRESHET_CHECK(path.size() < sizeof(address.sun_path));
    std::memcpy(address.sun_path, path.data(), path.size());
    FRESHET_CHECK(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
                  0);
  }

  ~ZmtpPeer() { ::close(fd_); }

  ZmtpPeer(const ZmtpPeer&) = delete;
  ZmtpPeer& operator=(const ZmtpPeer&) = delete;

  // What the other side does not take any more is lost.
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return;
      }
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  // `is_new`: nothing was sent before, and what it answers can be waited for, as it must before
  // messages are sent.
  void Greet(bool is_new) {
    std::string greeting("\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL", 16);
    greeting.resize(64, '\0');
    Send(greeting);
    const std::string_view ready("\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH", 28);
    Send(ready);
    for (size_t left = is_new ? 64 + ready.size() : 0; left > 0;) {
      const size_t got = Read(left);
      FRESHET_CHECK(got > 0);
      left -= got;
    }
  }

  // A part of a message. `is_long`: its length takes eight bytes, as it must above 255.
  void SendPart(std::string_view part, bool more, bool is_long) {
    const bool eight = is_long || part.size() > 255;
    std::string frame(1, static_cast<char>((more ? 1 : 0) | (eight ? 2 : 0)));
    for (int byte = eight ? 7 : 0; byte >= 0; --byte) {
      frame.push_back(static_cast<char>(static_cast<uint64_t>(part.size()) >> (8 * byte)));
    }
    Send(frame.append(part));
  }

  // Says that nothing will follow, and waits until the other side has taken all and closed.
  void End() {
    ::shutdown(fd_, SHUT_WR);
    while (Read(kMostBytes) > 0) {
    }
  }

 private:
  static constexpr int kPatienceMs = 20'000;
  static constexpr size_t kMostBytes = 256;

  // 0: the other side has closed.
  size_t Read(size_t most) {
    char bytes[kMostBytes];
    pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
    FRESHET_CHECK(::poll(&ready, 1, kPatienceMs) == 1);
    const ssize_t got = ::read(fd_, bytes, std::min(most, kMostBytes));
    return got > 0 ? static_cast<size_t>(got) : 0;
  }

  const int fd_;
};

}  // namespace freshet::fuzz
