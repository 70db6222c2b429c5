#include "coordinator/member_client.h"

#include <condition_variable>
#include <mutex>
#include <optional>

#include "common/check.h"

namespace freshet::coordinator {
namespace {

// How often the one who waits looks whether waiting still makes sense. An answer wakes it at once.
constexpr std::chrono::milliseconds kGiveUpEvery{20};

// Collects answers. Shared with the calls in flight: one that is given up on answers later.
struct Gathering {
  explicit Gathering(size_t count) : answers(count), missing(count) {}

  std::mutex mutex;
  std::condition_variable complete;
  std::vector<std::optional<StatusOr<rpc::Message>>> answers;
  size_t missing;

  void Take(size_t index, StatusOr<rpc::Message> answer) {
    const std::lock_guard lock(mutex);
    answers[index] = std::move(answer);
    if (--missing == 0) {
      complete.notify_all();
    }
  }
};

std::vector<Peer> Connect(rpc::Transport& transport, const std::vector<MemberInfo>& members) {
  std::vector<Peer> peers;
  peers.reserve(members.size());
  for (const MemberInfo& member : members) {
    peers.push_back(Peer{.info = member, .channel = transport.Connect(member.address)});
  }
  return peers;
}

}  // namespace

std::vector<MemberInfo> Session::members() const {
  std::vector<MemberInfo> all;
  all.reserve(servers.size() + workers.size());
  for (const Peer& server : servers) {
    all.push_back(server.info);
  }
  for (const Peer& worker : workers) {
    all.push_back(worker.info);
  }
  return all;
}

Session MakeSession(rpc::Transport& transport,
                    Epoch epoch,
                    const std::vector<MemberInfo>& servers,
                    const std::vector<MemberInfo>& workers) {
  return {.epoch = epoch,
          .servers = Connect(transport, servers),
          .workers = Connect(transport, workers)};
}

StatusOr<std::vector<rpc::Message>> CallEach(std::span<const Peer> peers,
                                             rpc::Method method,
                                             std::vector<rpc::Message> requests,
                                             std::chrono::milliseconds timeout,
                                             const GiveUp& give_up) {
  FRESHET_CHECK(requests.size() == peers.size());
  const auto gathering = std::make_shared<Gathering>(peers.size());
  for (size_t i = 0; i < peers.size(); ++i) {
    peers[i].channel->Call(
        method, std::move(requests[i]), timeout, [gathering, i](StatusOr<rpc::Message> answer) {
          gathering->Take(i, std::move(answer));
        });
  }
  std::unique_lock lock(gathering->mutex);
  while (gathering->missing > 0) {
    gathering->complete.wait_for(lock, kGiveUpEvery);
    if (gathering->missing > 0) {
      lock.unlock();
      FRESHET_RETURN_IF_ERROR(give_up());
      lock.lock();
    }
  }
  std::vector<rpc::Message> answers;
  answers.reserve(peers.size());
  for (size_t i = 0; i < peers.size(); ++i) {
    StatusOr<rpc::Message>& answer = *gathering->answers[i];
    if (!answer.ok()) {
      return Annotate(answer.status(), peers[i].name());
    }
    answers.push_back(*std::move(answer));
  }
  return answers;
}

}  // namespace freshet::coordinator
