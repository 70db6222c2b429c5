// A server on TCP that is trained, and at the same time asked for all kinds of nonsense.
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <optional>
#include <random>
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
constexpr uint32_t kSilent = 30;

int BadFrames() {
  const char* const asked = std::getenv("FRESHET_BAD_FRAMES");
  return asked == nullptr ? 6000 : std::atoi(asked);
}

// One that is asked for nonsense, and its twin that is not.
class Twins {
 public:
  Twins()
      : tcp_(rpc::MakeTcpTransport()),
        quiet_(rpc::MakeInProcessTransport()),
        tcp_env_{SystemClock(), SystemRandom(), LocalFileSystem(), *tcp_},
        quiet_env_{SystemClock(), SystemRandom(), LocalFileSystem(), *quiet_} {
    loud_server_ = Begin(tcp_env_, "127.0.0.1:0");
    quiet_server_ = Begin(quiet_env_, "twin");
    loud_client_ = std::make_unique<Client>(*tcp_, loud_server_->address());
    quiet_client_ = std::make_unique<Client>(*quiet_, quiet_server_->address());
    for (Client* const client : clients()) {
      proto::RestoreRequest request;
      request.set_epoch(kEpoch);
      request.set_servers(1);
      request.set_workers(1);
      request.set_partition_count(8);
      REQUIRE(client->Restore(request).ok());
      REQUIRE(client->Declare(kEpoch, test::SmallModel()).ok());
    }
  }

  std::vector<Client*> clients() { return {loud_client_.get(), quiet_client_.get()}; }

  std::string address() const { return loud_server_->address(); }

  const PsServer& loud_server() const { return *loud_server_; }

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
  std::unique_ptr<Client> loud_client_;
  std::unique_ptr<Client> quiet_client_;
};

Batch RandomBatch(std::mt19937_64& random, bool push) {
  Run run;
  const uint64_t first = random() % 5000;
  for (uint64_t i = 0; i < 64; ++i) {
    run.keys.push_back(KeyOf(first + i * 7));
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

// A frame that is well-formed, with a request that must be refused.
std::string BadRequest(std::mt19937_64& random) {
  const Sender now{.epoch = kEpoch, .sequence = 1'000'000};
  switch (random() % 5) {
    case 0: {  // of an epoch that is over
      return FrameOf(rpc::Method::kPush,
                     test::PushMessage({.epoch = 1}, RandomBatch(random, true)));
    }
    case 1: {  // without its gradients
      return FrameOf(rpc::Method::kPush, test::PushMessage(now, RandomBatch(random, false)));
    }
    case 2: {  // of a variable that is none
      Batch batch = RandomBatch(random, false);
      batch.runs[0].variable = static_cast<uint32_t>(2 + random());
      return FrameOf(rpc::Method::kPull, test::PullMessage(now, batch));
    }
    case 3: {  // more keys than there are
      proto::PullRequest request;
      request.set_epoch(kEpoch);
      for (int i = 0; i < 3; ++i) {
        request.add_runs()->set_keys(static_cast<uint32_t>(random()));
      }
      return FrameOf(rpc::Method::kPull, rpc::MakeMessage(request));
    }
    default: {  // any head and body
      constexpr rpc::Method kAny[] = {rpc::Method::kPull,
                                      rpc::Method::kPush,
                                      rpc::Method::kDeclare,
                                      rpc::Method::kAnnounce,
                                      rpc::Method::kCut,
                                      rpc::Method::kDelete,
                                      static_cast<rpc::Method>(9999)};
      const std::string head = RandomBytes(random, random() % 60);
      const std::string body = RandomBytes(random, random() % 600);
      return rpc::WireOf({.method = kAny[random() % std::size(kAny)],
                          .head_bytes = static_cast<uint32_t>(head.size()),
                          .body_bytes = static_cast<uint32_t>(body.size())}) +
             head + body;
    }
  }
}

// Bytes that are no frame, or the beginning of one: the connection is closed.
std::string BadFrame(std::mt19937_64& random) {
  std::string frame = BadRequest(random);
  switch (random() % 3) {
    case 0:
      frame[random() % rpc::kFrameHeaderBytes] ^= static_cast<char>(1U << (random() % 8));
      return frame;
    case 1:
      return rpc::WireOf({.method = rpc::Method::kPush,
                          .head_bytes = static_cast<uint32_t>(random()),
                          .body_bytes = static_cast<uint32_t>(random())});
    default:
      return RandomBytes(random, 1 + random() % 200);
  }
}

// Until `frames` were sent, on connections that are made anew when the server closes them.
void SendNonsense(const std::string& address, int frames, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::optional<RawSocket> requests;
  for (int i = 0; i < frames; ++i) {
    if (i % 4 == 0) {
      RawSocket raw = RawSocket::ConnectTo(address);
      raw.Write(BadFrame(random));
      raw.EndWriting();
      if (i % 64 == 0) {
        raw.AwaitClosed();
      }
      continue;
    }
    if (!requests || i % 200 == 1) {
      requests = RawSocket::ConnectTo(address);
    }
    if (!requests->Write(BadRequest(random))) {
      requests.reset();
    }
  }
}

}  // namespace

// FRESHET_BAD_FRAMES says how many; a million takes minutes.
TEST_CASE("training goes on exactly beside peers that send nonsense", "[ps]") {
  Twins twins;
  std::vector<RawSocket> silent;  // connected, and say nothing, or ask and never read
  std::mt19937_64 random(3);
  for (uint32_t i = 0; i < kSilent; ++i) {
    silent.push_back(RawSocket::ConnectTo(twins.address()));
    if (i % 2 == 0) {
      silent.back().Write(FrameOf(
          rpc::Method::kPull, test::PullMessage({.epoch = kEpoch}, RandomBatch(random, false))));
    }
  }
  std::atomic<int> going = 2;
  std::vector<std::thread> bad;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    bad.emplace_back([&, seed] {
      SendNonsense(twins.address(), BadFrames() / 2, seed);
      --going;
    });
  }
  uint64_t sequence = 0;
  while (going > 0 || sequence < 100) {
    ++sequence;
    const Batch pushed = RandomBatch(random, true);
    const Batch pulled = RandomBatch(random, false);
    std::vector<std::vector<float>> rows;
    for (Client* const client : twins.clients()) {
      const Status status = client->Push({.epoch = kEpoch, .sequence = sequence}, pushed);
      INFO(status);
      REQUIRE(status.ok());
      auto answer = client->Pull({.epoch = kEpoch}, pulled);
      INFO(answer.status());
      REQUIRE(answer.ok());
      rows.push_back(*std::move(answer));
    }
    REQUIRE(rows[0] == rows[1]);
  }
  for (std::thread& thread : bad) {
    thread.join();
  }
  CHECK(sequence >= 100);
  const std::string metrics = twins.loud_server().MetricsText();
  CHECK_THAT(metrics, Catch::Contains("freshet_ps_refused_pulls_total"));
  CHECK_THAT(metrics, Catch::Contains("freshet_ps_refused_pushes_total"));
}

}  // namespace freshet::ps
