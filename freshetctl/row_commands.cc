#include "freshetctl/row_commands.h"

#include <fmt/format.h>

#include <cstring>
#include <iterator>
#include <utility>

#include "freshetctl/coordinator_client.h"
#include "freshetctl/format.h"
#include "freshetctl/keys.h"
#include "freshetctl/table.h"
#include "proto/control.pb.h"

namespace freshet::freshetctl {
namespace {

// Behind a cut.
constexpr std::chrono::seconds kQuestionTimeout{30};
// A version is made, if need be after a rewind.
constexpr std::chrono::minutes kWorkTimeout{15};
constexpr size_t kMostKeys = 16U << 20U;

Outcome NotInTime(const Status& status) {
  if (!absl::IsDeadlineExceeded(status)) {
    return status;
  }
  return MakeStatus(status.code(),
                    MessageOf(status) +
                        "; the coordinator goes on trying, 'freshetctl status' tells of failed "
                        "cuts");
}

struct Total {
  uint64_t rows = 0;
  uint64_t bytes = 0;
};

Total PrintEvictions(const proto::ShrinkResponse& response, std::ostream& out) {
  Total total;
  Table table({{"VARIABLE"}, {"RULE"}, {"ROWS", true}, {"BYTES", true}});
  for (const proto::Evictions& variable : response.variables()) {
    for (const proto::RuleEvictions& rule : variable.rules()) {
      table.Add({variable.variable(), rule.rule(), Count(rule.rows()), Bytes(rule.bytes())});
      total.rows += rule.rows();
      total.bytes += rule.bytes();
    }
  }
  if (total.rows > 0) {
    table.Print(out);
  }
  return total;
}

// What the flags name, and what the file says.
StatusOr<std::vector<KeyText>> AllKeys(const Context& context, const ForgetOptions& options) {
  std::vector<KeyText> keys;
  for (const std::string& text : options.keys) {
    FRESHET_ASSIGN_OR_RETURN(KeyText key, ParseKey(text));
    keys.push_back(std::move(key));
  }
  if (!options.keys_file.empty()) {
    FRESHET_ASSIGN_OR_RETURN(std::vector<KeyText> more,
                             ReadKeys(context.env.files, options.keys_file, context.in));
    keys.insert(
        keys.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  if (keys.empty()) {
    return InvalidArgument("which keys? Give KEY..., or --keys FILE ('-': stdin), a key a line");
  }
  if (keys.size() > kMostKeys) {
    return InvalidArgument("{} keys; at most {} at a time", Count(keys.size()), Count(kMostKeys));
  }
  return keys;
}

Outcome UsageOrFailure(const Status& status) {
  return absl::IsInvalidArgument(status) ? Outcome::Usage(MessageOf(status)) : Outcome(status);
}

}  // namespace

Outcome Explain(const Context& context, const Target& target, const ExplainOptions& options) {
  StatusOr<KeyText> text = ParseKey(options.key);
  if (!text.ok()) {
    return Outcome::Usage(MessageOf(text.status()));
  }
  if (!options.slot.empty()) {
    if (text->value) {
      return Outcome::Usage(fmt::format("'{}' names its slot: leave --slot out", options.key));
    }
    text->slot = options.slot;
  }
  CoordinatorClient coordinator(context.env, target);
  FRESHET_ASSIGN_OR_RETURN(const std::vector<SlotKey> keys, ResolveKeys(coordinator, {*text}));
  for (const SlotKey& key : keys) {
    proto::ExplainKeyRequest request;
    request.set_variable(options.variable);
    request.set_key(key.key);
    request.set_slot(key.slot);
    FRESHET_ASSIGN_OR_RETURN(const auto response,
                             coordinator.Call<proto::ExplainKeyResponse>(
                                 rpc::Method::kExplainKey, request, kQuestionTimeout));
    context.out << fmt::format("key {} (0x{:016x}) of '{}': partition {} of {}, on ps-{} at {}\n",
                               key.key,
                               key.key,
                               options.variable,
                               response.partition(),
                               response.partition_count(),
                               response.server(),
                               response.address());
    for (const std::string& line : response.lines()) {
      context.out << "  " << line << "\n";
    }
  }
  return {};
}

Outcome Shrink(const Context& context, const Target& target, const ShrinkOptions& options) {
  CoordinatorClient coordinator(context.env, target);
  proto::ShrinkRequest request;
  request.set_variable(options.variable);
  request.set_dry_run(options.dry_run);
  const auto response =
      coordinator.Call<proto::ShrinkResponse>(rpc::Method::kShrink, request, kWorkTimeout);
  if (!response.ok()) {
    return options.dry_run ? Outcome(response.status()) : NotInTime(response.status());
  }
  const Total total = PrintEvictions(*response, context.out);
  const std::string rows = fmt::format("{} rows ({})", Count(total.rows), Bytes(total.bytes));
  context.out << (options.dry_run
                      ? fmt::format("{} would go\n", rows)
                      : fmt::format("{} are gone in version {}\n", rows, response->version()));
  return {};
}

Outcome Forget(const Context& context, const Target& target, const ForgetOptions& options) {
  const StatusOr<std::vector<KeyText>> texts = AllKeys(context, options);
  if (!texts.ok()) {
    return UsageOrFailure(texts.status());
  }
  CoordinatorClient coordinator(context.env, target);
  FRESHET_ASSIGN_OR_RETURN(const std::vector<SlotKey> keys, ResolveKeys(coordinator, *texts));
  Buffer body(keys.size() * sizeof(Key));
  for (size_t i = 0; i < keys.size(); ++i) {
    std::memcpy(body.data() + i * sizeof(Key), &keys[i].key, sizeof(Key));
  }
  proto::ForgetRequest request;
  request.set_variable(options.variable);
  const auto response = coordinator.Call<proto::ForgetResponse>(
      rpc::Method::kForget, request, kWorkTimeout, std::move(body));
  if (!response.ok()) {
    return NotInTime(response.status());
  }
  context.out << fmt::format("forgot {} keys of '{}', {} of them with a row, in version {}\n",
                             Count(keys.size()),
                             options.variable,
                             Count(response->rows()),
                             response->version());
  return {};
}

}  // namespace freshet::freshetctl
