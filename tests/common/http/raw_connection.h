#pragma once
#include <memory>
#include <string>

namespace freshet::http {

// A connection that sends bytes as they are given, to say to a server what no client would.
class RawConnection {
 public:
  explicit RawConnection(const std::string& address);
  ~RawConnection();

  void Send(const std::string& bytes);
  // Nothing will follow; answers are still read.
  void EndSending();
  // Until `text` has arrived `times` times in all, or the server closed. Everything so far.
  std::string ReadUntil(const std::string& text, int times = 1);
  // Everything until the server closes.
  std::string ReadAll();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet::http
