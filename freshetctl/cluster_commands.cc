#include "freshetctl/cluster_commands.h"

#include <charconv>
#include <cstring>

#include "common/key.h"
#include "freshetctl/coordinator_client.h"
#include "freshetctl/format.h"
#include "freshetctl/proto_json.h"
#include "freshetctl/status_text.h"
#include "proto/control.pb.h"

namespace freshet::freshetctl {
namespace {

constexpr std::chrono::seconds kQuestionTimeout{5};
// A rollback restores every server, a cut writes what changed: as long as it takes.
constexpr std::chrono::minutes kWorkTimeout{15};

StatusOr<Key> ParseKey(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals != std::string::npos && equals > 0) {
    return HashKey(SlotSeed(text.substr(0, equals)), text.substr(equals + 1));
  }
  const bool hex = text.starts_with("0x");
  const char* const begin = text.data() + (hex ? 2 : 0);
  const char* const end = text.data() + text.size();
  Key key = 0;
  const auto [stop, error] = std::from_chars(begin, end, key, hex ? 16 : 10);
  if (error != std::errc() || stop != end) {
    return InvalidArgument("'{}' is no key: give a number (17 or 0x11) or slot=value", text);
  }
  return key;
}

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

Outcome RollBack(const Context& context, const Target& target, uint64_t version) {
  CoordinatorClient coordinator(context.env, target);
  proto::RollbackRequest request;
  request.set_version(version);
  FRESHET_ASSIGN_OR_RETURN(
      const auto response,
      coordinator.Call<proto::RollbackResponse>(rpc::Method::kRollback, request, kWorkTimeout));
  context.out << fmt::format("version {} is version {} again\n", response.version(), version);
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

Outcome DeleteKeys(const Context& context,
                   const Target& target,
                   const std::string& variable,
                   const std::vector<std::string>& keys) {
  Buffer body(keys.size() * sizeof(Key));
  for (size_t i = 0; i < keys.size(); ++i) {
    const StatusOr<Key> key = ParseKey(keys[i]);
    if (!key.ok()) {
      return Outcome::Usage(MessageOf(key.status()));
    }
    std::memcpy(body.data() + i * sizeof(Key), &*key, sizeof(Key));
  }
  CoordinatorClient coordinator(context.env, target);
  proto::DeleteKeysRequest request;
  request.set_variable(variable);
  FRESHET_ASSIGN_OR_RETURN(const auto response,
                           coordinator.Call<proto::DeleteKeysResponse>(
                               rpc::Method::kDeleteKeys, request, kWorkTimeout, std::move(body)));
  context.out << fmt::format("deleted {} of {} keys of '{}' in version {}\n",
                             Count(response.deleted()),
                             Count(keys.size()),
                             variable,
                             response.version());
  return {};
}

}  // namespace freshet::freshetctl
