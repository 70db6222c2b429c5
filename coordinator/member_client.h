#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "common/rpc/rpc.h"
#include "common/rpc/typed.h"
#include "common/status.h"
#include "coordinator/membership.h"

namespace freshet::coordinator {

// A member that can be asked.
struct Peer {
  MemberInfo info;
  std::unique_ptr<rpc::Channel> channel;

  std::string name() const { return MemberName(info.role, info.rank); }
};

// The servers and workers that train together in one epoch, by rank. It lives as long as all of
// them do. One thread.
struct Session {
  Epoch epoch;
  std::vector<Peer> servers;
  std::vector<Peer> workers;

  // All of them, to ask whether they still live.
  std::vector<MemberInfo> members() const;
};

Session MakeSession(rpc::Transport& transport,
                    Epoch epoch,
                    const std::vector<MemberInfo>& servers,
                    const std::vector<MemberInfo>& workers);

// Not OK: the wait is over, whoever has not answered yet. Asked every few milliseconds.
using GiveUp = std::function<Status()>;

// Sends requests[i] to peers[i], all at once, and waits for all answers.
// Errors: the first by rank, with the peer's name before it; or what `give_up` says.
StatusOr<std::vector<rpc::Message>> CallEach(std::span<const Peer> peers,
                                             rpc::Method method,
                                             std::vector<rpc::Message> requests,
                                             std::chrono::milliseconds timeout,
                                             const GiveUp& give_up);

// The same with typed messages.
template <typename Response, typename Request>
StatusOr<std::vector<Response>> CallEach(std::span<const Peer> peers,
                                         rpc::Method method,
                                         const std::vector<Request>& requests,
                                         std::chrono::milliseconds timeout,
                                         const GiveUp& give_up) {
  std::vector<rpc::Message> messages;
  messages.reserve(requests.size());
  for (const Request& request : requests) {
    messages.push_back(rpc::MakeMessage(request));
  }
  FRESHET_ASSIGN_OR_RETURN(const std::vector<rpc::Message> answers,
                           CallEach(peers, method, std::move(messages), timeout, give_up));
  std::vector<Response> responses;
  responses.reserve(answers.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    StatusOr<Response> response = rpc::ParseHead<Response>(answers[i]);
    if (!response.ok()) {
      return Annotate(response.status(), peers[i].name());
    }
    responses.push_back(*std::move(response));
  }
  return responses;
}

// The same request to all.
template <typename Response, typename Request>
StatusOr<std::vector<Response>> CallAll(std::span<const Peer> peers,
                                        rpc::Method method,
                                        const Request& request,
                                        std::chrono::milliseconds timeout,
                                        const GiveUp& give_up) {
  return CallEach<Response>(
      peers, method, std::vector<Request>(peers.size(), request), timeout, give_up);
}

}  // namespace freshet::coordinator
