// A server on TCP that is trained by several workers, and at the same time asked for all kinds of
// nonsense.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc/typed.h"
#include "ps/ps_server.h"
#include "tests/common/rpc/raw_socket.h"
#include "tests/common/rpc/wire.h"
#include "tests/ps/cluster.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using rpc::RawSocket;
using test::Batch;
using test::Client;
using test::KeyOf;
using test::Run;
using test::Sender;

constexpr uint64_t kEpoch = 77'777'777;  // that no nonsense hits
constexpr uint32_t kDim = 3;
constexpr uint32_t kWorkers = 3;
constexpr uint64_t kKeysOfWorker = 5000;
constexpr uint32_t kHalfOpen = 60;
constexpr uint32_t kSlowReaders = 6;
constexpr uint64_t kFewestSteps = 50;  // of each worker

constexpr rpc::TcpOptions kTcp{.max_unsent_bytes = 1U << 20U,
                               .max_unanswered_bytes = 1U << 20U,
                               .first_frame_timeout = std::chrono::milliseconds(2000)};

int AskedBadFrames() {
  const char* const asked = std::getenv("FRESHET_BAD_FRAMES");
  return asked == nullptr ? 0 : std::atoi(asked);
}

size_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  size_t all_pages = 0;
  size_t resident_pages = 0;
  file >> all_pages >> resident_pages;
  return resident_pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

// The sum of a metric over its labels; 0 without it.
uint64_t Total(const std::string& metrics, const std::string& name) {
  double total = 0;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + " ") || line.starts_with(name + "{")) {
      total += std::stod(line.substr(line.rfind(' ')));
    }
  }
  return static_cast<uint64_t>(total);
}

// One that is asked for nonsense, and its twin that is not.
class Twins {
 public:
  Twins()
      : tcp_(rpc::MakeTcpTransport(kTcp)),
        quiet_(rpc::MakeInProcessTransport()),
        tcp_env_{SystemClock(), SystemRandom(), LocalFileSystem(), *tcp_},
        quiet_env_{SystemClock(), SystemRandom(), LocalFileSystem(), *quiet_} {
    loud_server_ = Begin(tcp_env_, "127.0.0.1:0");
    quiet_server_ = Begin(quiet_env_, "twin");
    for (Client& client : NewClients()) {
      proto::RestoreRequest request;
      request.set_epoch(kEpoch);
      request.set_servers(1);
      request.set_workers(kWorkers);
      request.set_partition_count(8);
      REQUIRE(client.Restore(request).ok());
      REQUIRE(client.Declare(kEpoch, test::SmallModel()).ok());
    }
  }

  // One to each.
  std::vector<Client> NewClients() {
    std::vector<Client> clients;
    clients.emplace_back(*tcp_, loud_server_->address());
    clients.emplace_back(*quiet_, quiet_server_->address());
    return clients;
  }

  std::string address() const { return loud_server_->address(); }

  const PsServer& loud() const { return *loud_server_; }

  const PsServer& quiet() const { return *quiet_server_; }

 private:
  std::unique_ptr<PsServer> Begin(const Env& env, const std::string& listen) {
    PsOptions options;
    options.listen = listen;
    options.log_directory = folder_.path();
    auto server = PsServer::Start(options, env);
    REQUIRE(server.ok());
    return *std::move(server);
  }

  test::ScratchFolder folder_;
  const std::unique_ptr<rpc::Transport> tcp_;
  const std::unique_ptr<rpc::Transport> quiet_;
  const Env tcp_env_;
  const Env quiet_env_;
  std::unique_ptr<PsServer> loud_server_;
  std::unique_ptr<PsServer> quiet_server_;
};

// Of the keys that are the worker's own, so that the order among workers does not matter.
Batch RandomBatch(std::mt19937_64& random, uint32_t worker, bool push) {
  Run run;
  const uint64_t first = random() % kKeysOfWorker;
  for (uint64_t i = 0; i < 64; ++i) {
    run.keys.push_back(KeyOf(worker * kKeysOfWorker + (first + i * 7) % kKeysOfWorker));
  }
  for (size_t i = 0; push && i < run.keys.size() * kDim; ++i) {
    run.gradients.push_back(static_cast<float>(random() % 2001) * 0.001F - 1.0F);
  }
  return {.runs = {std::move(run)}};
}

std::string FrameOf(rpc::Method method, const rpc::Message& message) {
  return rpc::WireOf({.method = method,
                      .request_id = 1,
                      .head_bytes = static_cast<uint32_t>(message.head.size()),
                      .body_bytes = static_cast<uint32_t>(message.body.size())}) +
         message.head + rpc::TextOf(message.body);
}

std::string RandomBytes(std::mt19937_64& random, size_t count) {
  std::string bytes(count, '\0');
  std::ranges::generate(bytes, [&] { return static_cast<char>(random()); });
  return bytes;
}

Buffer BufferOf(const std::string& bytes) {
  return Buffer::CopyOf(std::as_bytes(std::span(bytes)));
}

rpc::Message RandomMessage(std::mt19937_64& random) {
  rpc::Message message;
  message.head = RandomBytes(random, 1 + random() % 60);
  message.head[0] = '\x0f';  // a tag of no wire type: this is no message of any kind
  message.body = BufferOf(RandomBytes(random, random() % 600));
  return message;
}

// What was sent, each of which must be counted by the server.
struct Sent {
  std::atomic<uint64_t> frames = 0;
  std::atomic<uint64_t> bad_frames = 0;
  std::atomic<uint64_t> pulls = 0;
  std::atomic<uint64_t> pushes = 0;
};

std::string BadPull(std::mt19937_64& random) {
  const Sender now{.epoch = kEpoch};
  switch (random() % 5) {
    case 0:  // of an epoch that has not begun
      return FrameOf(rpc::Method::kPull,
                     test::PullMessage({.epoch = kEpoch + 1}, RandomBatch(random, 0, false)));
    case 1: {  // of a variable that is none
      Batch batch = RandomBatch(random, 0, false);
      batch.runs[0].variable = static_cast<uint32_t>(2 + random() % UINT32_MAX / 2);
      return FrameOf(rpc::Method::kPull, test::PullMessage(now, batch));
    }
    case 2: {  // of more keys than there are, or than are allowed
      proto::PullRequest request;
      request.set_epoch(kEpoch);
      for (int i = 0; i < 3; ++i) {
        request.add_runs()->set_keys(static_cast<uint32_t>(random() | 1U));
      }
      return FrameOf(rpc::Method::kPull, rpc::MakeMessage(request));
    }
    case 3: {  // for an answer without end
      proto::PullRequest request;
      request.set_epoch(kEpoch);
      request.mutable_dense()->Resize(static_cast<int>(2 + random() % 200), 1);
      return FrameOf(rpc::Method::kPull, rpc::MakeMessage(request));
    }
    default:
      return FrameOf(rpc::Method::kPull, RandomMessage(random));
  }
}

std::string BadPush(std::mt19937_64& random) {
  const Sender now{.epoch = kEpoch, .worker = 0, .sequence = 1};
  switch (random() % 6) {
    case 0:  // of an epoch that is over
      return FrameOf(rpc::Method::kPush,
                     test::PushMessage({.epoch = 1}, RandomBatch(random, 0, true)));
    case 1:  // without its gradients
      return FrameOf(rpc::Method::kPush, test::PushMessage(now, RandomBatch(random, 0, false)));
    case 2:  // of a worker that is none
      return FrameOf(rpc::Method::kPush,
                     test::PushMessage({.epoch = kEpoch, .worker = kWorkers, .sequence = 1},
                                       RandomBatch(random, 0, true)));
    case 3: {  // far ahead
      const Sender ahead{.epoch = kEpoch, .worker = 1, .sequence = uint64_t{1} << 40U};
      return FrameOf(rpc::Method::kPush, test::PushMessage(ahead, RandomBatch(random, 0, true)));
    }
    case 4: {  // compressed, it says
      proto::PushRequest request;
      request.set_epoch(kEpoch);
      request.mutable_packed()->set_codec(random() % 2 == 0 ? proto::LZ4 : proto::ZSTD);
      request.mutable_packed()->set_bytes(random() % (uint64_t{1} << 30U) + 1);
      return FrameOf(rpc::Method::kPush,
                     rpc::MakeMessage(request, BufferOf(RandomBytes(random, random() % 600))));
    }
    default:
      return FrameOf(rpc::Method::kPush, RandomMessage(random));
  }
}

// A frame that is well-formed, with a request that must be refused.
std::string BadRequest(std::mt19937_64& random, Sent& sent) {
  constexpr rpc::Method kOthers[] = {rpc::Method::kDeclare,
                                     rpc::Method::kAnnounce,
                                     rpc::Method::kCut,
                                     rpc::Method::kWriteCut,
                                     rpc::Method::kEndCut,
                                     rpc::Method::kRestore,
                                     rpc::Method::kDelete,
                                     rpc::Method::kEvict,
                                     rpc::Method::kExplain,
                                     static_cast<rpc::Method>(9999)};
  switch (random() % 3) {
    case 0:
      ++sent.pulls;
      return BadPull(random);
    case 1:
      ++sent.pushes;
      return BadPush(random);
    default:
      return FrameOf(kOthers[random() % std::size(kOthers)], RandomMessage(random));
  }
}

// Bytes that are no frame, or the beginning of one.
std::string BadFrame(std::mt19937_64& random) {
  std::string frame = FrameOf(rpc::Method::kPull, RandomMessage(random));
  switch (random() % 4) {
    case 0:  // a flipped bit
      frame[random() % rpc::kFrameHeaderBytes] ^= static_cast<char>(1U << (random() % 8));
      return frame;
    case 1:  // any lengths
      return rpc::WireOf({.method = rpc::Method::kPush,
                          .head_bytes = static_cast<uint32_t>(random() | 1U),
                          .body_bytes = static_cast<uint32_t>(random())});
    case 2:  // cut off
      frame.resize(1 + random() % (frame.size() - 1));
      return frame;
    default:
      return RandomBytes(random, 1 + random() % 200);
  }
}

void End(RawSocket& socket) {
  socket.EndWriting();
  socket.AwaitClosed();
}

// `frames` of them: every fourth closes its connection, the others come over one that lives longer.
void SendNonsense(const std::string& address, int frames, uint64_t seed, Sent& sent) {
  std::mt19937_64 random(seed);
  std::optional<RawSocket> requests;
  for (int i = 0; i < frames; ++i) {
    ++sent.frames;
    if (i % 4 == 0) {
      RawSocket raw = RawSocket::ConnectTo(address);
      raw.Write(BadFrame(random));
      End(raw);
      ++sent.bad_frames;
      continue;
    }
    if (i % 200 == 1) {
      if (requests) {
        End(*requests);
      }
      requests = RawSocket::ConnectTo(address);
    }
    requests->Write(BadRequest(random, sent));
  }
  if (requests) {
    End(*requests);
  }
}

// Connections that never get to a whole frame: silent ones, some bytes of a header, and a header
// that announces as much as there may be.
std::vector<RawSocket> HalfOpen(const std::string& address) {
  const std::string header = rpc::WireOf({.method = rpc::Method::kPush,
                                          .head_bytes = kTcp.max_head_bytes,
                                          .body_bytes = kTcp.max_body_bytes});
  std::vector<RawSocket> sockets;
  for (uint32_t i = 0; i < kHalfOpen; ++i) {
    sockets.push_back(RawSocket::ConnectTo(address));
    sockets.back().Write(header.substr(0, i % 3 == 0 ? 0 : i % 3 == 1 ? i % 32 : header.size()));
  }
  return sockets;
}

// Asks for rows as fast as it can and takes no answer.
class SlowReader {
 public:
  explicit SlowReader(const std::string& address) : socket_(RawSocket::ConnectTo(address)) {
    Run run;
    for (uint64_t i = 0; i < 5000; ++i) {
      run.keys.push_back(KeyOf(i));
    }
    frame_ = FrameOf(rpc::Method::kPull,
                     test::PullMessage({.epoch = kEpoch}, {.runs = {std::move(run)}}));
  }

  void AskOn() {
    while (const size_t bytes = socket_.Offer(std::string_view(frame_).substr(offered_))) {
      offered_ = (offered_ + bytes) % frame_.size();
    }
  }

 private:
  RawSocket socket_;
  std::string frame_;
  size_t offered_ = 0;
};

// Trains at both and compares, until `going` is 0. Returns what went wrong, if anything did.
std::string Train(Twins& twins, uint32_t worker, const std::atomic<int>& going, uint64_t& steps) {
  std::vector<Client> clients = twins.NewClients();
  std::mt19937_64 random(1000 + worker);
  while (going > 0 || steps < kFewestSteps) {
    ++steps;
    const Sender sender{.epoch = kEpoch, .worker = worker, .sequence = steps};
    const Batch pushed = RandomBatch(random, worker, true);
    const Batch pulled = RandomBatch(random, worker, false);
    std::vector<std::vector<float>> rows;
    for (Client& client : clients) {
      if (const Status status = client.Push(sender, pushed); !status.ok()) {
        return "push: " + status.ToString();
      }
      auto answer = client.Pull(sender, pulled);
      if (!answer.ok()) {
        return "pull: " + answer.status().ToString();
      }
      rows.push_back(*std::move(answer));
    }
    if (rows[0].size() != 64 * kDim || rows[0] != rows[1]) {
      return "other rows than the twin's at step " + std::to_string(steps);
    }
  }
  return "";
}

}  // namespace

// FRESHET_BAD_FRAMES says how many, and has figures printed; a million takes minutes.
TEST_CASE("training goes on exactly beside peers that send nonsense", "[ps]") {
  const int asked = AskedBadFrames();
  const int frames = asked > 0 ? asked : 20'000;
  Twins twins;
  const size_t resident_before = ResidentBytes();
  size_t resident_most = resident_before;
  Sent sent;
  std::vector<RawSocket> half_open = HalfOpen(twins.address());
  std::vector<SlowReader> slow;
  for (uint32_t i = 0; i < kSlowReaders; ++i) {
    slow.emplace_back(twins.address());
  }

  std::atomic<int> going = 2;
  std::vector<std::thread> threads;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    threads.emplace_back([&, seed] {
      SendNonsense(twins.address(), frames / 2, seed, sent);
      --going;
    });
  }
  std::vector<uint64_t> steps(kWorkers);
  std::vector<std::string> errors(kWorkers);
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back(
        [&, worker] { errors[worker] = Train(twins, worker, going, steps[worker]); });
  }
  while (going > 0) {
    for (SlowReader& reader : slow) {
      reader.AskOn();
    }
    resident_most = std::max(resident_most, ResidentBytes());
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (RawSocket& socket : half_open) {
    socket.AwaitClosed();  // by the server, whose patience ends
  }

  const std::string metrics = twins.loud().MetricsText();
  const uint64_t refused_pulls = Total(metrics, "freshet_ps_refused_pulls_total");
  const uint64_t refused_pushes = Total(metrics, "freshet_ps_refused_pushes_total");
  const uint64_t bad_frames = Total(metrics, "freshet_ps_bad_frames_total");
  if (asked > 0) {
    WARN(sent.frames << " frames; refused: " << refused_pulls << " pulls, " << refused_pushes
                     << " pushes, " << bad_frames << " frames; good steps: " << steps[0] << ", "
                     << steps[1] << ", " << steps[2] << "; resident: " << (resident_before >> 20U)
                     << " MiB before, " << (resident_most >> 20U) << " MiB at most");
  }
  CHECK(errors == std::vector<std::string>(kWorkers));
  CHECK(refused_pulls == sent.pulls);
  CHECK(refused_pushes == sent.pushes);
  CHECK(bad_frames == sent.bad_frames + kHalfOpen);
  CHECK(twins.loud().rows() == twins.quiet().rows());
  CHECK(Total(metrics, "freshet_ps_push_keys_total") ==
        Total(twins.quiet().MetricsText(), "freshet_ps_push_keys_total"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // Sanitizers keep what is freed for a while.
  CHECK(resident_most < resident_before + (size_t{64} << 20U));
#endif
}

}  // namespace freshet::ps
