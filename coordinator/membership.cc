#include "coordinator/membership.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "coordinator/log.h"

namespace freshet::coordinator {
namespace {

// Enough for every instance that may still be alive somewhere.
constexpr size_t kReplacedKept = 16;

const char* RoleName(proto::Role role) {
  switch (role) {
    case proto::COORDINATOR:
      return "coordinator";
    case proto::PS:
      return "ps";
    case proto::WORKER:
      return "worker";
    case proto::SERVING:
      return "serving";
    default:
      return "unknown";
  }
}

// What the control thread would act upon at once.
bool IsNews(const proto::MemberReport& before, const proto::MemberReport& now) {
  return before.epoch() != now.epoch() || before.finished() != now.finished() ||
         before.error() != now.error() || before.refused_versions() != now.refused_versions();
}

}  // namespace

std::string MemberName(proto::Role role, uint32_t rank) {
  return fmt::format("{}-{}", RoleName(role), rank);
}

Membership::Membership(const Options& options, Clock& clock, std::function<void()> on_news)
    : timeout_(options.member_timeout), clock_(clock), on_news_(std::move(on_news)) {
  const auto add = [this](proto::Role role, uint32_t count) {
    for (uint32_t rank = 0; rank < count; ++rank) {
      places_[{role, rank}].info = {.role = role, .rank = rank, .instance = 0, .address = ""};
    }
  };
  add(proto::PS, options.servers);
  add(proto::WORKER, options.workers);
  add(proto::SERVING, options.serving);
}

Status Membership::Join(const proto::JoinRequest& request) {
  const std::string name = MemberName(request.role(), request.rank());
  {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find({request.role(), request.rank()});
    if (found == places_.end()) {
      return InvalidArgument("the cluster has no {}: see the hosts of its role in the cluster file",
                             name);
    }
    if (request.instance() == 0 || request.address().empty()) {
      return InvalidArgument(
          "{} joins without {}", name, request.instance() == 0 ? "an instance" : "an address");
    }
    Place& place = found->second;
    const auto& replaced = place.replaced;
    if (std::find(replaced.begin(), replaced.end(), request.instance()) != replaced.end()) {
      return AlreadyExists("{} is another process by now, at {}", name, place.info.address);
    }
    if (place.info.instance != request.instance()) {
      if (place.info.instance != 0) {
        place.replaced.push_back(place.info.instance);
      }
      if (place.replaced.size() > kReplacedKept) {
        place.replaced.erase(place.replaced.begin());
      }
      place.report.Clear();
    }
    place.info.instance = request.instance();
    place.info.address = request.address();
    place.http_address = request.http_address();
    place.build = request.build();
    place.heard = clock_.Monotonic();
  }
  Log().info("member joined name={} instance={:016x} address={} build={}",
             name,
             request.instance(),
             request.address(),
             request.build());
  on_news_();
  return absl::OkStatus();
}

bool Membership::Heartbeat(const proto::HeartbeatRequest& request) {
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find({request.role(), request.rank()});
    if (found == places_.end() || request.instance() == 0 ||
        found->second.info.instance != request.instance()) {
      return false;
    }
    Place& place = found->second;
    news = IsNews(place.report, request.report());
    place.report = request.report();
    place.heard = clock_.Monotonic();
    largest_epoch_ = std::max<uint64_t>(largest_epoch_, request.report().epoch());
  }
  if (news) {
    on_news_();
  }
  return true;
}

bool Membership::IsUp(const Place& place) const {
  return place.info.instance != 0 && clock_.Monotonic() - place.heard <= timeout_;
}

std::string Membership::WhyDown(const Place& place) const {
  const std::string name = MemberName(place.info.role, place.info.rank);
  if (place.info.instance == 0) {
    return name + " has not joined";
  }
  const std::chrono::duration<double> silence = clock_.Monotonic() - place.heard;
  return fmt::format("{} has been silent for {:.1f} s", name, silence.count());
}

std::vector<MemberInfo> Membership::Up(proto::Role role) const {
  const std::lock_guard lock(mutex_);
  std::vector<MemberInfo> up;
  for (const auto& [key, place] : places_) {
    if (key.first == role && IsUp(place)) {
      up.push_back(place.info);
    }
  }
  return up;
}

std::string Membership::Missing() const {
  const std::lock_guard lock(mutex_);
  std::string missing;
  for (const auto& [key, place] : places_) {
    if (key.first != proto::SERVING && !IsUp(place)) {
      missing += (missing.empty() ? "" : ", ") + WhyDown(place);
    }
  }
  return missing;
}

std::string Membership::Lost(const std::vector<MemberInfo>& members) const {
  const std::lock_guard lock(mutex_);
  for (const MemberInfo& member : members) {
    const Place& place = places_.at({member.role, member.rank});
    if (place.info.instance != member.instance) {
      return MemberName(member.role, member.rank) + " was started again";
    }
    if (!IsUp(place)) {
      return WhyDown(place);
    }
  }
  return "";
}

std::optional<proto::MemberReport> Membership::ReportOf(const MemberInfo& member) const {
  const std::lock_guard lock(mutex_);
  const Place& place = places_.at({member.role, member.rank});
  if (place.info.instance != member.instance || !IsUp(place)) {
    return std::nullopt;
  }
  return place.report;
}

std::vector<proto::MemberStatus> Membership::Everyone() const {
  const std::lock_guard lock(mutex_);
  std::vector<proto::MemberStatus> everyone;
  for (const auto& [key, place] : places_) {
    proto::MemberStatus& status = everyone.emplace_back();
    status.set_role(key.first);
    status.set_rank(key.second);
    status.set_up(IsUp(place));
    status.set_address(place.info.address);
    status.set_http_address(place.http_address);
    status.set_build(place.build);
    *status.mutable_report() = place.report;
  }
  return everyone;
}

uint64_t Membership::LargestEpoch() const {
  const std::lock_guard lock(mutex_);
  return largest_epoch_;
}

}  // namespace freshet::coordinator
