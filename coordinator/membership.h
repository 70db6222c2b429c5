#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/env/clock.h"
#include "common/status.h"
#include "coordinator/options.h"
#include "proto/control.pb.h"

namespace freshet::coordinator {

// One process at its place in the cluster.
struct MemberInfo {
  proto::Role role = proto::PS;
  uint32_t rank = 0;
  uint64_t instance = 0;
  std::string address;
};

// "ps-0", "worker-1", "serving-0".
std::string MemberName(proto::Role role, uint32_t rank);

// Who is there. A member is up from its first word until it is silent for member_timeout or another
// instance takes its place. An instance that was replaced is never let in again: were two
// processes started for one place, they would push each other out for ever.
// Thread-safety: any thread.
class Membership {
 public:
  // `on_news` is called, without a lock held, when somebody joined, or reported something to act
  // upon; death by silence shows only to those who ask. `clock` outlives this.
  Membership(const Options& options, Clock& clock, std::function<void()> on_news);

  // InvalidArgument: the cluster has no such place. AlreadyExists: replaced by another instance.
  Status Join(const proto::JoinRequest& request);
  // False: unknown, it has to join.
  bool Heartbeat(const proto::HeartbeatRequest& request);

  // Those that are up, by rank.
  std::vector<MemberInfo> Up(proto::Role role) const;
  // The servers and workers that training waits for, in words; empty when all are up.
  std::string Missing() const;
  // Which of `members` is not up any more, and how that is known; empty when all are.
  std::string Lost(const std::vector<MemberInfo>& members) const;
  // The last report of a member that is up with this instance.
  std::optional<proto::MemberReport> ReportOf(const MemberInfo& member) const;
  // Every place of the cluster: servers, workers, serving nodes, each by rank.
  std::vector<proto::MemberStatus> Everyone() const;
  // The largest epoch that any member has spoken of.
  uint64_t LargestEpoch() const;

 private:
  struct Place {
    MemberInfo info;  // instance 0: nobody came yet
    std::string http_address;
    std::string build;
    proto::MemberReport report;
    std::chrono::nanoseconds heard{0};
    std::vector<uint64_t> replaced;  // the newest few
  };

  using Key = std::pair<proto::Role, uint32_t>;

  bool IsUp(const Place& place) const;
  std::string WhyDown(const Place& place) const;

  const std::chrono::nanoseconds timeout_;
  Clock& clock_;
  const std::function<void()> on_news_;

  mutable std::mutex mutex_;
  std::map<Key, Place> places_;  // guarded by mutex_; the keys never change
  uint64_t largest_epoch_ = 0;   // guarded by mutex_
};

}  // namespace freshet::coordinator
