#include "freshetctl/rollback.h"

#include <utility>

#include "freshetctl/coordinator_client.h"
#include "freshetctl/keys.h"
#include "freshetctl/utc_time.h"
#include "proto/control.pb.h"

namespace freshet::freshetctl {
namespace {

// It restores every server: as long as it takes.
constexpr std::chrono::minutes kWorkTimeout{15};

// A --skip as it was given, taken apart.
struct SkipText {
  std::string text;
  std::optional<KeyText> feature = {};
  int64_t from_ms = 0;
  int64_t to_ms = 0;  // 0: no range
};

Status ParseRange(const std::string& text, SkipText* skip) {
  const size_t dots = text.find("..");
  if (dots == std::string::npos) {
    return InvalidArgument(
        "'{}' is no --skip: FROM..TO (times), SLOT=VALUE, or SLOT=VALUE@FROM..TO", text);
  }
  FRESHET_ASSIGN_OR_RETURN(skip->from_ms, ParseUtcTime(text.substr(0, dots)));
  FRESHET_ASSIGN_OR_RETURN(skip->to_ms, ParseUtcTime(text.substr(dots + 2)));
  if (skip->from_ms >= skip->to_ms) {
    return InvalidArgument("'{}': the range ends before it begins", text);
  }
  return absl::OkStatus();
}

StatusOr<SkipText> ParseSkip(const std::string& text) {
  SkipText skip{.text = text};
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    FRESHET_RETURN_IF_ERROR(ParseRange(text, &skip));
    return skip;
  }
  std::string feature = text;
  // A value may hold an @ of its own, and so may a range.
  for (size_t at = text.find('@', equals); at != std::string::npos; at = text.find('@', at + 1)) {
    if (ParseRange(text.substr(at + 1), &skip).ok()) {
      feature = text.substr(0, at);
      break;
    }
  }
  FRESHET_ASSIGN_OR_RETURN(skip.feature, ParseKey(feature));
  return skip;
}

Status AddRules(CoordinatorClient& coordinator,
                const SkipText& skip,
                proto::RollbackRequest* request) {
  std::vector<SlotKey> keys(1);
  if (skip.feature) {
    FRESHET_ASSIGN_OR_RETURN(keys, ResolveKeys(coordinator, {*skip.feature}));
  }
  for (const SlotKey& key : keys) {
    proto::SkipRule* const rule = request->add_skips();
    rule->set_text(skip.text);
    rule->set_from_event_time_ms(skip.from_ms);
    rule->set_to_event_time_ms(skip.to_ms);
    if (skip.feature) {
      rule->set_by_feature(true);
      rule->set_slot(key.slot);
      rule->set_key(key.key);
    }
  }
  return absl::OkStatus();
}

}  // namespace

Outcome CheckRollback(const RollbackOptions& options) {
  if (options.version.has_value() != options.before.empty()) {
    return Outcome::Usage("to which version? Give VERSION or --before TIME, and not both");
  }
  if (options.keep_positions && !options.skips.empty()) {
    return Outcome::Usage(
        "with --keep-positions nothing since the version is learned again: --skip has no use");
  }
  return {};
}

Outcome RollBack(const Context& context, const Target& target, const RollbackOptions& options) {
  proto::RollbackRequest request;
  request.set_version(options.version.value_or(0));
  request.set_keep_positions(options.keep_positions);
  request.set_forget_skips(options.forget_skips);
  if (!options.before.empty()) {
    const StatusOr<int64_t> before = ParseUtcTime(options.before);
    if (!before.ok()) {
      return Outcome::Usage(MessageOf(before.status()));
    }
    request.set_before_unix_ms(*before);
  }
  CoordinatorClient coordinator(context.env, target);
  for (const std::string& text : options.skips) {
    const StatusOr<SkipText> skip = ParseSkip(text);
    if (!skip.ok()) {
      return Outcome::Usage(MessageOf(skip.status()));
    }
    FRESHET_RETURN_IF_ERROR(AddRules(coordinator, *skip, &request));
  }
  FRESHET_ASSIGN_OR_RETURN(
      const auto response,
      coordinator.Call<proto::RollbackResponse>(rpc::Method::kRollback, request, kWorkTimeout));
  context.out << fmt::format(
      "version {} is version {} again\n",
      response.version(),
      response.target() == 0 ? options.version.value_or(0) : response.target());
  return {};
}

}  // namespace freshet::freshetctl
