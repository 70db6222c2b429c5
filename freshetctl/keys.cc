#include "freshetctl/keys.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <sstream>
#include <utility>

#include "common/sample/feature_mapper.h"
#include "proto/control.pb.h"

namespace freshet::freshetctl {
namespace {

constexpr std::chrono::seconds kQuestionTimeout{5};
constexpr uint64_t kMaxFileBytes = 1U << 30U;

StatusOr<FeatureMapper> AskForSlots(CoordinatorClient& coordinator) {
  FRESHET_ASSIGN_OR_RETURN(const auto response,
                           coordinator.Call<proto::ModelResponse>(
                               rpc::Method::kModel, proto::ModelRequest(), kQuestionTimeout));
  return FeatureMapper::Make(response.model());
}

Status ResolveOne(const FeatureMapper& mapper, const KeyText& text, std::vector<SlotKey>* keys) {
  FRESHET_ASSIGN_OR_RETURN(const size_t slot, mapper.SlotIndex(text.slot));
  const auto index = static_cast<uint32_t>(slot);
  if (!text.value) {
    keys->push_back({.key = text.key, .slot = index});
    return absl::OkStatus();
  }
  std::vector<Feature> features;
  FRESHET_RETURN_IF_ERROR(mapper.Map(slot, *text.value, &features));
  if (features.empty()) {
    return InvalidArgument("'{}' makes no key: its value is empty", text.text);
  }
  for (const Feature& feature : features) {
    keys->push_back({.key = feature.key, .slot = index});
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<KeyText> ParseKey(const std::string& text) {
  KeyText parsed{.text = text, .key = 0, .slot = "", .value = {}};
  const size_t equals = text.find('=');
  if (equals != std::string::npos && equals > 0) {
    parsed.slot = text.substr(0, equals);
    parsed.value = text.substr(equals + 1);
    return parsed;
  }
  const bool hex = text.starts_with("0x");
  const char* const begin = text.data() + (hex ? 2 : 0);
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, parsed.key, hex ? 16 : 10);
  if (error != std::errc() || stop != end) {
    return InvalidArgument("'{}' is no key: give a number (17 or 0x11) or slot=value", text);
  }
  return parsed;
}

StatusOr<std::vector<KeyText>> ReadKeys(FileSystem& files,
                                        const std::string& path,
                                        std::istream& in) {
  std::string content;
  if (path == "-") {
    content.assign(std::istreambuf_iterator<char>(in), {});
  } else {
    FRESHET_ASSIGN_OR_RETURN(content, ReadFile(files, path, kMaxFileBytes));
  }
  std::vector<KeyText> keys;
  std::istringstream lines(std::move(content));
  std::string line;
  for (size_t number = 1; std::getline(lines, line); ++number) {
    if (!line.empty() && line.back() == '\r') {
      line.pop_back();
    }
    if (line.empty()) {
      continue;
    }
    StatusOr<KeyText> key = ParseKey(line);
    if (!key.ok()) {
      return Annotate(key.status(), fmt::format("{}:{}", path == "-" ? "stdin" : path, number));
    }
    keys.push_back(*std::move(key));
  }
  return keys;
}

StatusOr<std::vector<SlotKey>> ResolveKeys(CoordinatorClient& coordinator,
                                           const std::vector<KeyText>& keys) {
  const bool named =
      std::any_of(keys.begin(), keys.end(), [](const KeyText& key) { return !key.slot.empty(); });
  std::optional<FeatureMapper> mapper;
  if (named) {
    FRESHET_ASSIGN_OR_RETURN(mapper, AskForSlots(coordinator));
  }
  std::vector<SlotKey> resolved;
  for (const KeyText& key : keys) {
    if (key.slot.empty()) {
      resolved.push_back({.key = key.key, .slot = 0});
    } else {
      FRESHET_RETURN_IF_ERROR(ResolveOne(*mapper, key, &resolved));
    }
  }
  return resolved;
}

}  // namespace freshet::freshetctl
