#include "common/rpc/tcp_connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <asio/post.hpp>
#include <utility>

#include "common/rpc/address.h"

namespace freshet::rpc {
namespace {

using asio::ip::tcp;

// A peer that is silently gone, with its machine, is noticed after about this time.
constexpr int kPeerTimeoutSeconds = 30;
constexpr int kKeepaliveIdleSeconds = 10;
constexpr int kKeepaliveIntervalSeconds = 5;

// Asio hands no more pieces than this to the kernel at once.
constexpr size_t kMaxPieces = 64;
// So much is written to one connection before the others of the loop have their turn.
constexpr size_t kWriteTurnBytes = size_t{4} << 20U;

void SetOption(tcp::socket& socket, int level, int name, int value) {
  // A socket without one of these works, too: errors do not matter.
  ::setsockopt(socket.native_handle(), level, name, &value, sizeof(value));
}

void Prepare(tcp::socket& socket) {
  asio::error_code ignored;
  socket.non_blocking(true, ignored);
  SetOption(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(socket, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  SetOption(socket, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
  SetOption(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, kPeerTimeoutSeconds * 1000);
}

std::string PeerOf(const tcp::socket& socket) {
  asio::error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) {
    return "unknown";
  }
  return ToString(HostPort{.host = peer.address().to_string(), .port = peer.port()});
}

// Asio's view of pieces that the connection holds.
struct Pieces {
  const asio::const_buffer* first;
  const asio::const_buffer* last;

  const asio::const_buffer* begin() const { return first; }

  const asio::const_buffer* end() const { return last; }
};

// Appends what lies beyond the first `skip` bytes of `bytes`; takes what it skipped from `skip`.
void AppendPiece(const void* data,
                 size_t bytes,
                 size_t& skip,
                 std::vector<asio::const_buffer>& pieces) {
  if (skip < bytes) {
    pieces.emplace_back(static_cast<const std::byte*>(data) + skip, bytes - skip);
    skip = 0;
  } else {
    skip -= bytes;
  }
}

}  // namespace

TcpConnection::TcpConnection(tcp::socket socket,
                             const Options& options,
                             Owner& owner,
                             RefusalLog& refusals)
    : socket_(std::move(socket)),
      peer_(PeerOf(socket_)),
      options_(options),
      refusals_(refusals),
      owner_(&owner),
      reader_(options.limits) {
  gather_.reserve(kMaxPieces);
  Prepare(socket_);
}

void TcpConnection::Start() {
  Read();
}

void TcpConnection::Read() {
  const FrameReader::Space space = reader_.space();
  const std::array<asio::mutable_buffer, 3> buffers = {
      asio::mutable_buffer(space[0].data(), space[0].size()),
      asio::mutable_buffer(space[1].data(), space[1].size()),
      asio::mutable_buffer(space[2].data(), space[2].size())};
  socket_.async_read_some(buffers,
                          [self = shared_from_this()](const asio::error_code& error, size_t bytes) {
                            self->OnRead(error, bytes);
                          });
}

void TcpConnection::OnRead(const asio::error_code& error, size_t bytes) {
  if (owner_ == nullptr) {
    return;
  }
  if (error) {
    if (error == asio::error::eof && reader_.mid_frame()) {
      Refuse(InvalidArgument("the stream ends in the middle of a frame"));
    } else {
      Break(Unavailable("{}", error.message()));
    }
    return;
  }
  reader_.Filled(bytes);
  TakeFrames();
}

void TcpConnection::TakeFrames() {
  while (owner_ != nullptr) {
    if (!MayRead(1)) {
      reading_paused_ = true;
      return;
    }
    StatusOr<std::optional<Frame>> frame = reader_.Next();
    if (!frame.ok()) {
      Refuse(frame.status());
      return;
    }
    if (!frame->has_value()) {
      Read();
      return;
    }
    if (const Status status = owner_->OnFrame(*std::move(*frame)); !status.ok()) {
      Refuse(status);
    }
  }
}

void TcpConnection::Queue(FrameHeader header, Message message) {
  if (owner_ == nullptr) {
    return;
  }
  header.head_bytes = static_cast<uint32_t>(message.head.size());
  header.body_bytes = static_cast<uint32_t>(message.body.size());
  unsent_.push_back({.header = EncodeFrameHeader(header), .message = std::move(message)});
  unsent_bytes_ += unsent_.back().bytes();
}

void TcpConnection::Flush() {
  if (owner_ != nullptr && !write_waits_) {
    Write();
  }
}

void TcpConnection::Write() {
  size_t turn_bytes = 0;
  while (!unsent_.empty()) {
    if (turn_bytes >= kWriteTurnBytes) {
      WriteLater();
      return;
    }
    GatherUnsent();
    asio::error_code error;
    const size_t bytes =
        socket_.write_some(Pieces{gather_.data(), gather_.data() + gather_.size()}, error);
    if (error == asio::error::would_block || error == asio::error::try_again) {
      WriteLater();
      return;
    }
    if (error) {
      Break(Unavailable("{}", error.message()));
      return;
    }
    turn_bytes += bytes;
    Sent(bytes);
  }
}

void TcpConnection::GatherUnsent() {
  gather_.clear();
  size_t skip = front_sent_bytes_;
  for (const Outgoing& frame : unsent_) {
    if (gather_.size() + 3 > kMaxPieces) {
      return;
    }
    AppendPiece(frame.header.data(), frame.header.size(), skip, gather_);
    AppendPiece(frame.message.head.data(), frame.message.head.size(), skip, gather_);
    AppendPiece(frame.message.body.data(), frame.message.body.size(), skip, gather_);
  }
}

void TcpConnection::Sent(size_t bytes) {
  unsent_bytes_ -= bytes;
  front_sent_bytes_ += bytes;
  while (!unsent_.empty() && front_sent_bytes_ >= unsent_.front().bytes()) {
    front_sent_bytes_ -= unsent_.front().bytes();
    unsent_.pop_front();
  }
  ReadAgain();
}

void TcpConnection::Hold(uint64_t bytes) {
  held_bytes_ += bytes;
}

void TcpConnection::Release(uint64_t bytes) {
  held_bytes_ -= bytes;
  ReadAgain();
}

// Whether no more than a `part`-th of what is allowed is unsent, and held.
bool TcpConnection::MayRead(uint64_t part) const {
  return unsent_bytes_ <= options_.max_unsent_bytes / part &&
         held_bytes_ <= options_.max_held_bytes / part;
}

void TcpConnection::ReadAgain() {
  if (owner_ != nullptr && reading_paused_ && MayRead(2)) {
    // Not at once: frames may come back to the sender, which is in the middle of its work.
    reading_paused_ = false;
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->TakeFrames(); });
  }
}

void TcpConnection::WriteLater() {
  write_waits_ = true;
  socket_.async_wait(tcp::socket::wait_write,
                     [self = shared_from_this()](const asio::error_code& error) {
                       self->write_waits_ = false;
                       if (self->owner_ == nullptr) {
                         return;
                       }
                       if (error) {
                         self->Break(Unavailable("{}", error.message()));
                       } else {
                         self->Write();
                       }
                     });
}

void TcpConnection::Close() {
  owner_ = nullptr;
  asio::error_code ignored;
  socket_.close(ignored);
  unsent_.clear();
  unsent_bytes_ = 0;
  front_sent_bytes_ = 0;
}

void TcpConnection::Break(const Status& why) {
  const std::shared_ptr<TcpConnection> self = shared_from_this();
  Owner* const owner = owner_;
  Close();
  owner->OnBroken(why);
}

void TcpConnection::Refuse(const Status& why) {
  if (owner_ != nullptr) {
    refusals_.Note(peer_, why);
    Break(Unavailable("bad frame: {}", MessageOf(why)));
  }
}

}  // namespace freshet::rpc
