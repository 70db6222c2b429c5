#pragma once
#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/frame.h"
#include "common/rpc/frame_reader.h"
#include "common/rpc/refusal_log.h"

namespace freshet::rpc {

// Frames over one socket, both ways. It lives until its last operation has ended.
// Thread-safety: the loop's thread only.
class TcpConnection : public std::enable_shared_from_this<TcpConnection> {
 public:
  // Called by the connection; either call may close it.
  class Owner {
   public:
    virtual ~Owner() = default;

    // An error says that the frame is against the protocol, and closes the connection.
    virtual Status OnFrame(Frame frame) = 0;
    // At most once, never after Close.
    virtual void OnBroken(const Status& why) = 0;
  };

  struct Options {
    FrameLimits limits;
    // No frame is taken, and nothing read, while more than this is unsent.
    uint64_t max_unsent_bytes = UINT64_MAX;
    // The same for what the owner has said it holds.
    uint64_t max_held_bytes = UINT64_MAX;
  };

  // `owner` lives until it has called Close or OnBroken was called, `refusals` as long as the loop.
  TcpConnection(asio::ip::tcp::socket socket,
                const Options& options,
                Owner& owner,
                RefusalLog& refusals);

  // Begins to read.
  void Start();
  // Queues a frame; the lengths in the header are those of the message, whatever they were.
  void Queue(FrameHeader header, Message message);
  // Sends what is queued, as far as the socket takes it now, and the rest when it does.
  void Flush();
  // What the owner keeps of frames it was given.
  void Hold(uint64_t bytes);
  void Release(uint64_t bytes);
  // Drops what is unsent.
  void Close();
  // Closes because of what the peer did, which is noted; the owner hears OnBroken.
  void Refuse(const Status& why);

 private:
  struct Outgoing {
    std::array<std::byte, kFrameHeaderBytes> header;
    Message message;

    size_t bytes() const { return header.size() + message.head.size() + message.body.size(); }
  };

  void Read();
  void OnRead(const asio::error_code& error, size_t bytes);
  // Hands on the whole frames received, then reads on, unless too much is unsent or held.
  void TakeFrames();
  void Write();
  void GatherUnsent();
  void Sent(size_t bytes);
  void WriteLater();
  void Break(const Status& why);
  bool MayRead(uint64_t part) const;
  void ReadAgain();

  asio::ip::tcp::socket socket_;
  const std::string peer_;
  const Options options_;
  RefusalLog& refusals_;
  // nullptr when closed.
  Owner* owner_;

  FrameReader reader_;
  bool reading_paused_ = false;

  std::deque<Outgoing> unsent_;
  uint64_t unsent_bytes_ = 0;
  uint64_t held_bytes_ = 0;
  // Of the first frame in unsent_.
  size_t front_sent_bytes_ = 0;
  bool write_waits_ = false;
  // Scratch of Write: pieces of the frames in unsent_.
  std::vector<asio::const_buffer> gather_;
};

}  // namespace freshet::rpc
