#include "freshetctl/cluster_commands.h"

#include "freshetctl/coordinator_client.h"
#include "freshetctl/format.h"
#include "freshetctl/proto_json.h"
#include "freshetctl/status_text.h"
#include "proto/control.pb.h"

namespace freshet::freshetctl {
namespace {

constexpr std::chrono::seconds kQuestionTimeout{5};
// A cut writes what changed: as long as it takes.
constexpr std::chrono::minutes kWorkTimeout{15};

}  // namespace

Outcome PrintStatus(const Context& context, const Target& target, bool json) {
  CoordinatorClient coordinator(context.env, target);
  FRESHET_ASSIGN_OR_RETURN(const auto status,
                           coordinator.Call<proto::StatusResponse>(
                               rpc::Method::kStatus, proto::StatusRequest(), kQuestionTimeout));
  if (json) {
    context.out << ToJson(status) << "\n";
    return {};
  }
  for (const std::string& line : StatusLines(status, -1.0)) {
    context.out << line << "\n";
  }
  context.out << "\n";
  PrintMembers(status, context.out);
  return {};
}

Outcome CutNow(const Context& context, const Target& target) {
  CoordinatorClient coordinator(context.env, target);
  FRESHET_ASSIGN_OR_RETURN(const auto response,
                           coordinator.Call<proto::CutNowResponse>(
                               rpc::Method::kCutNow, proto::CutNowRequest(), kWorkTimeout));
  context.out << fmt::format("version {} is committed\n", response.version());
  return {};
}

Outcome CollectVersions(const Context& context, const Target& target, bool dry_run) {
  CoordinatorClient coordinator(context.env, target);
  proto::CollectRequest request;
  request.set_dry_run(dry_run);
  FRESHET_ASSIGN_OR_RETURN(
      const auto response,
      coordinator.Call<proto::CollectResponse>(rpc::Method::kCollect, request, kWorkTimeout));
  for (const uint64_t version : response.versions()) {
    context.out << version << "\n";
  }
  context.out << fmt::format("{} version(s), {}, {}\n",
                             response.versions_size(),
                             Bytes(response.bytes()),
                             dry_run ? "would go" : "removed");
  return {};
}

}  // namespace freshet::freshetctl
