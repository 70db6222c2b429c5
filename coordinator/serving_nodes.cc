#include "coordinator/serving_nodes.h"

#include <chrono>
#include <optional>

#include "common/rpc/typed.h"

namespace freshet::coordinator {
namespace {

constexpr std::chrono::milliseconds kNoticeTimeout{1000};

}  // namespace

ServingNodes::ServingNodes(rpc::Transport& transport, const Membership& membership)
    : transport_(transport), membership_(membership) {}

ServingNodes::Node& ServingNodes::NodeOf(const MemberInfo& member) {
  Node& node = nodes_[member.rank];
  if (node.instance != member.instance || node.address != member.address) {
    node = Node{.instance = member.instance,
                .address = member.address,
                .channel = transport_.Connect(member.address),
                .refused_versions = 0};
  }
  return node;
}

void ServingNodes::Tell(VersionId version) {
  proto::VersionNotice notice;
  notice.set_version(version.value());
  for (const MemberInfo& member : membership_.Up(proto::SERVING)) {
    NodeOf(member).channel->Call(rpc::Method::kVersionNotice,
                                 rpc::MakeMessage(notice),
                                 kNoticeTimeout,
                                 [](const StatusOr<rpc::Message>&) {});
  }
}

std::string ServingNodes::NewlyStuck(VersionId head) {
  std::string stuck;
  for (const MemberInfo& member : membership_.Up(proto::SERVING)) {
    const std::optional<proto::MemberReport> report = membership_.ReportOf(member);
    if (!report.has_value()) {
      continue;
    }
    Node& node = NodeOf(member);
    if (report->refused_versions() > node.refused_versions && report->version() < head.value()) {
      stuck = MemberName(member.role, member.rank);
    }
    node.refused_versions = report->refused_versions();
  }
  return stuck;
}

}  // namespace freshet::coordinator
