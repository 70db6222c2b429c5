#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/ids.h"
#include "common/rpc/rpc.h"
#include "coordinator/membership.h"

namespace freshet::coordinator {

// What the control thread does for serving nodes: tells them of versions, and learns that a damaged
// one keeps them from following. They are never waited for. One thread.
class ServingNodes {
 public:
  // Both outlive this.
  ServingNodes(rpc::Transport& transport, const Membership& membership);

  // To all that are up; answers are not awaited, since they look for versions by themselves, too.
  void Tell(VersionId version);

  // The name of a node that has refused another version since it was last asked, and is behind
  // `head`; empty if there is none.
  std::string NewlyStuck(VersionId head);

 private:
  struct Node {
    uint64_t instance = 0;
    std::string address;
    std::unique_ptr<rpc::Channel> channel;
    uint64_t refused_versions = 0;
  };

  // The node of this process; a new one if another has taken the rank.
  Node& NodeOf(const MemberInfo& member);

  rpc::Transport& transport_;
  const Membership& membership_;
  std::map<uint32_t, Node> nodes_;  // by rank
};

}  // namespace freshet::coordinator
