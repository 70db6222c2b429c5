#include "common/config/config_file.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <type_traits>
#include <utility>

#include "common/config/expand.h"
#include "common/config/nearest.h"
#include "common/config/scalar.h"
#include "common/config/yaml_tree.h"

namespace freshet {
namespace {

// A config file is written by hand; what is larger is another kind of file.
constexpr uint64_t kMaxFileBytes = 1U << 20U;

// What reading a file has brought to light so far.
struct Findings {
  std::vector<YamlError> errors;
  std::set<std::string> known_keys;

  void Add(int line, std::string message) { errors.push_back({line, std::move(message)}); }
};

// "a whole number of at least 1", "a number from 0 to 1".
template <typename Number>
std::string RangeText(Number least, Number most) {
  const char* kind = std::is_integral_v<Number> ? "a whole number" : "a number";
  const bool open_below = least < 0 && least == std::numeric_limits<Number>::lowest();
  const bool open_above = most == std::numeric_limits<Number>::max();
  if (open_above) {
    return open_below ? kind : fmt::format("{} of at least {}", kind, least);
  }
  return fmt::format("{} from {} to {}", kind, least, most);
}

// Sets *value from `text`, or says what it must be.
template <typename Number>
std::string ReadNumber(const std::string& text, Number least, Number most, Number* value) {
  const auto number = ParseConfigNumber<Number>(text);
  if (number.has_value() && *number >= least && *number <= most) {
    *value = *number;
    return "";
  }
  std::string must = RangeText(least, most);
  if (!number.has_value() && most == std::numeric_limits<Number>::max() &&
      ParseConfigNumber<double>(text).value_or(0.0) > static_cast<double>(most)) {
    must = fmt::format("a whole number of at most {}", most);  // a number, but too large for us
  }
  return fmt::format("must be {}, got '{}'", must, text);
}

template <typename T>
std::string ReadScalar(const std::string& text, T* value) {
  if constexpr (std::is_same_v<T, std::string>) {
    *value = text;
    return "";
  } else if constexpr (std::is_same_v<T, bool>) {
    if (text != "true" && text != "false") {
      return fmt::format("must be true or false, got '{}'", text);
    }
    *value = text == "true";
    return "";
  } else {
    return ReadNumber<T>(
        text, std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max(), value);
  }
}

template <typename T>
struct IsList : std::false_type {};

template <typename T>
struct IsList<std::vector<T>> : std::true_type {};

}  // namespace

// Shared by all views of one section. What it points to belongs to the ConfigFile.
struct ConfigSection::Node {
  Findings* findings;
  const YamlNode* yaml;         // null if the section is absent
  int line;                     // where it begins, or would belong
  std::string path;             // "model.optimizer", "slots[2]"; empty for the root
  std::string pattern;          // the same for known_keys: "slots[]"
  std::set<std::string> known;  // keys asked for
  // Child sections by key, and by "key[index]" or "key.name": asking twice gives one and the same.
  std::map<std::string, std::shared_ptr<Node>> children;

  const YamlNode::Entry* Find(std::string_view key) {
    known.emplace(key);
    findings->known_keys.insert(Join(pattern, key));
    return yaml == nullptr ? nullptr : yaml->Find(key);
  }

  // Null, with an error unless the key is absent, if the key has no value of this kind.
  const YamlNode::Entry* FindOfKind(std::string_view key, YamlNode::Kind kind) {
    const auto* entry = Find(key);
    if (entry == nullptr || entry->value.kind == kind) {
      return entry;
    }
    Fail(*entry, fmt::format("must be {}, got {}", KindName(kind), KindName(entry->value.kind)));
    return nullptr;
  }

  // The value of a scalar with its variables expanded.
  bool Text(const YamlNode::Entry& entry, const YamlNode& value, std::string* text) {
    if (value.kind != YamlNode::Kind::kScalar) {
      Fail(entry, fmt::format("must be a value, got {}", KindName(value.kind)));
      return false;
    }
    auto expanded = ExpandVariables(value.scalar, ProcessEnvironment);
    if (!expanded.ok()) {
      findings->Add(value.line, fmt::format("'{}': {}", entry.key, MessageOf(expanded.status())));
      return false;
    }
    *text = *std::move(expanded);
    return true;
  }

  // Calls read(text), which says what is wrong with it.
  template <typename Read>
  void ReadText(std::string_view key, const Read& read) {
    const auto* entry = Find(key);
    std::string text;
    if (entry == nullptr || !Text(*entry, entry->value, &text)) {
      return;
    }
    if (const std::string wrong = read(text); !wrong.empty()) {
      Fail(*entry, wrong);
    }
  }

  template <typename T>
  void ReadList(std::string_view key, std::vector<T>* values) {
    const auto* entry = FindOfKind(key, YamlNode::Kind::kList);
    if (entry == nullptr) {
      return;
    }
    std::vector<T> read(entry->value.items.size());
    for (size_t i = 0; i < read.size(); ++i) {
      std::string text;
      if (!Text(*entry, entry->value.items[i], &text)) {
        return;
      }
      if (const std::string wrong = ReadScalar(text, &read[i]); !wrong.empty()) {
        findings->Add(entry->value.items[i].line,
                      fmt::format("entry {} of '{}' {}", i + 1, key, wrong));
        return;
      }
    }
    *values = std::move(read);
  }

  void Fail(const YamlNode::Entry& entry, const std::string& message) {
    findings->Add(entry.line, fmt::format("'{}' {}", entry.key, message));
  }

  // " in 'model'", or nothing in the root.
  std::string InHere() const { return path.empty() ? "" : " in '" + path + "'"; }

  std::shared_ptr<Node> Child(const std::string& name,
                              const std::string& child_pattern,
                              const YamlNode* value,
                              int child_line) {
    auto& child = children[name];
    if (child == nullptr) {
      child = std::make_shared<Node>(Node{.findings = findings,
                                          .yaml = value,
                                          .line = child_line,
                                          .path = Join(path, name),
                                          .pattern = Join(pattern, child_pattern),
                                          .known = {},
                                          .children = {}});
    }
    return child;
  }

  // Adds an error for each key that nobody asked for, here and in all child sections.
  void FindUnknown(std::vector<YamlError>* errors) const {
    if (yaml != nullptr) {
      for (const auto& entry : yaml->entries) {
        if (!known.contains(entry.key)) {
          const std::vector<std::string> candidates(known.begin(), known.end());
          errors->push_back({entry.line,
                             fmt::format("unknown key '{}'{}; {}",
                                         entry.key,
                                         InHere(),
                                         Suggestion(entry.key, candidates))});
        }
      }
    }
    for (const auto& [name, child] : children) {
      child->FindUnknown(errors);
    }
  }

  static std::string Join(const std::string& parent, std::string_view key) {
    return parent.empty() ? std::string(key) : fmt::format("{}.{}", parent, key);
  }
};

ConfigSection::ConfigSection(std::shared_ptr<Node> node) : node_(std::move(node)) {}

bool ConfigSection::Has(std::string_view key) const {
  return node_->Find(key) != nullptr;
}

bool ConfigSection::HasMap(std::string_view key) const {
  const auto* entry = node_->Find(key);
  return entry != nullptr && entry->value.kind == YamlNode::Kind::kMap;
}

std::vector<std::string> ConfigSection::Keys() const {
  std::vector<std::string> keys;
  if (node_->yaml != nullptr) {
    for (const auto& entry : node_->yaml->entries) {
      keys.push_back(entry.key);
    }
  }
  return keys;
}

template <typename T>
void ConfigSection::Optional(std::string_view key, T* value) const {
  if constexpr (IsList<T>::value) {
    node_->ReadList(key, value);
  } else {
    node_->ReadText(key, [&](const std::string& text) { return ReadScalar(text, value); });
  }
}

template <typename T>
void ConfigSection::Required(std::string_view key, T* value) const {
  if (!Has(key)) {
    node_->findings->Add(node_->line, fmt::format("'{}' is missing{}", key, node_->InHere()));
    return;
  }
  Optional(key, value);
}

template <typename T>
void ConfigSection::InRange(std::string_view key, T least, T most, T* value) const {
  node_->ReadText(key,
                  [&](const std::string& text) { return ReadNumber(text, least, most, value); });
}

#define FRESHET_CONFIG_TYPE(...)                                                         \
  template void ConfigSection::Optional(std::string_view key, __VA_ARGS__* value) const; \
  template void ConfigSection::Required(std::string_view key, __VA_ARGS__* value) const;
#define FRESHET_CONFIG_NUMBER(...)      \
  FRESHET_CONFIG_TYPE(__VA_ARGS__)      \
  template void ConfigSection::InRange( \
      std::string_view key, __VA_ARGS__ least, __VA_ARGS__ most, __VA_ARGS__* value) const;
FRESHET_CONFIG_TYPE(bool)
FRESHET_CONFIG_TYPE(std::string)
FRESHET_CONFIG_TYPE(std::vector<std::string>)
FRESHET_CONFIG_TYPE(std::vector<double>)
FRESHET_CONFIG_NUMBER(int)
FRESHET_CONFIG_NUMBER(int64_t)
FRESHET_CONFIG_NUMBER(uint16_t)
FRESHET_CONFIG_NUMBER(uint32_t)
FRESHET_CONFIG_NUMBER(uint64_t)
FRESHET_CONFIG_NUMBER(double)
FRESHET_CONFIG_NUMBER(float)
#undef FRESHET_CONFIG_NUMBER
#undef FRESHET_CONFIG_TYPE

void ConfigSection::Milliseconds(std::string_view key, int64_t* value) const {
  node_->ReadText(key, [&](const std::string& text) -> std::string {
    const auto milliseconds = ParseMilliseconds(text);
    if (!milliseconds.has_value()) {
      return fmt::format("must be a duration, as in 250ms, 5s or 2m, got '{}'", text);
    }
    *value = *milliseconds;
    return "";
  });
}

void ConfigSection::Bytes(std::string_view key, uint64_t* value) const {
  node_->ReadText(key, [&](const std::string& text) -> std::string {
    const auto bytes = ParseBytes(text);
    if (!bytes.has_value()) {
      return fmt::format("must be a number of bytes, as in 4096, 512KiB or 2GiB, got '{}'", text);
    }
    *value = *bytes;
    return "";
  });
}

void ConfigSection::Choice(std::string_view key,
                           const std::vector<std::string>& choices,
                           size_t* index) const {
  node_->ReadText(key, [&](const std::string& text) -> std::string {
    const auto found = std::find(choices.begin(), choices.end(), text);
    if (found == choices.end()) {
      return fmt::format("cannot be '{}'; {}", text, Suggestion(text, choices));
    }
    *index = static_cast<size_t>(found - choices.begin());
    return "";
  });
}

ConfigSection ConfigSection::Section(std::string_view key) const {
  const std::string name(key);
  const auto* entry = node_->Find(key);
  if (entry == nullptr || entry->value.kind == YamlNode::Kind::kNull) {
    return ConfigSection(
        node_->Child(name, name, nullptr, entry == nullptr ? node_->line : entry->line));
  }
  const bool first_time = !node_->children.contains(name);
  if (entry->value.kind != YamlNode::Kind::kMap) {
    if (first_time) {
      node_->Fail(*entry, fmt::format("must be a map, got {}", KindName(entry->value.kind)));
    }
    return ConfigSection(node_->Child(name, name, nullptr, entry->line));
  }
  return ConfigSection(node_->Child(name, name, &entry->value, entry->line));
}

std::vector<ConfigSection> ConfigSection::Sections(std::string_view key) const {
  std::vector<ConfigSection> sections;
  const auto* entry = node_->FindOfKind(key, YamlNode::Kind::kList);
  if (entry == nullptr) {
    return sections;
  }
  for (size_t i = 0; i < entry->value.items.size(); ++i) {
    const YamlNode& item = entry->value.items[i];
    if (item.kind != YamlNode::Kind::kMap) {
      node_->findings->Add(
          item.line,
          fmt::format("entry {} of '{}' must be a map, got {}", i + 1, key, KindName(item.kind)));
      continue;
    }
    sections.push_back(ConfigSection(
        node_->Child(fmt::format("{}[{}]", key, i), fmt::format("{}[]", key), &item, item.line)));
  }
  return sections;
}

std::vector<std::pair<std::string, ConfigSection>> ConfigSection::Entries(
    std::string_view key) const {
  std::vector<std::pair<std::string, ConfigSection>> sections;
  const auto* entry = node_->FindOfKind(key, YamlNode::Kind::kMap);
  if (entry == nullptr) {
    return sections;
  }
  for (const auto& item : entry->value.entries) {
    if (item.value.kind != YamlNode::Kind::kMap) {
      node_->findings->Add(
          item.line,
          fmt::format(
              "'{}' in '{}' must be a map, got {}", item.key, key, KindName(item.value.kind)));
      continue;
    }
    sections.emplace_back(item.key,
                          ConfigSection(node_->Child(fmt::format("{}.{}", key, item.key),
                                                     fmt::format("{}[]", key),
                                                     &item.value,
                                                     item.line)));
  }
  return sections;
}

void ConfigSection::Fail(std::string_view key, const std::string& message) const {
  const auto* entry = node_->Find(key);
  node_->findings->Add(entry == nullptr ? node_->line : entry->line,
                       fmt::format("'{}' {}", key, message));
}

struct ConfigFile::Impl {
  YamlNode yaml;
  Findings findings;
  std::shared_ptr<ConfigSection::Node> root;
};

ConfigFile::ConfigFile(std::string path) : path_(std::move(path)), impl_(new Impl) {}

ConfigFile::~ConfigFile() = default;

StatusOr<std::unique_ptr<ConfigFile>> ConfigFile::Load(FileSystem& files, const std::string& path) {
  FRESHET_ASSIGN_OR_RETURN(const std::string text, ReadFile(files, path, kMaxFileBytes));
  return Parse(path, text);
}

StatusOr<std::unique_ptr<ConfigFile>> ConfigFile::Parse(const std::string& path,
                                                        const std::string& text) {
  std::unique_ptr<ConfigFile> file(new ConfigFile(path));
  YamlDocument document = ParseYaml(text);
  Impl& impl = *file->impl_;
  impl.yaml = std::move(document.root);
  impl.findings.errors = std::move(document.errors);
  if (impl.yaml.kind == YamlNode::Kind::kScalar || impl.yaml.kind == YamlNode::Kind::kList) {
    impl.findings.Add(impl.yaml.line,
                      fmt::format("a config is a map of keys, got {}", KindName(impl.yaml.kind)));
  }
  const bool is_map = impl.yaml.kind == YamlNode::Kind::kMap;
  if (!is_map && !impl.findings.errors.empty()) {
    return file->Finish();  // there is nothing to read
  }
  impl.root = std::make_shared<ConfigSection::Node>(
      ConfigSection::Node{.findings = &impl.findings,
                          .yaml = is_map ? &impl.yaml : nullptr,
                          .line = 1,
                          .path = "",
                          .pattern = "",
                          .known = {},
                          .children = {}});
  return file;
}

ConfigSection ConfigFile::root() {
  return ConfigSection(impl_->root);
}

std::string ConfigFile::absolute_path() const {
  return std::filesystem::absolute(path_).lexically_normal().string();
}

std::string ConfigFile::Resolve(const std::string& path) const {
  const auto folder = std::filesystem::path(path_).parent_path();
  return std::filesystem::absolute(folder / path).lexically_normal().string();
}

Status ConfigFile::Finish() {
  std::vector<YamlError> errors = impl_->findings.errors;
  if (impl_->root != nullptr) {
    impl_->root->FindUnknown(&errors);
  }
  std::stable_sort(
      errors.begin(), errors.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  std::string message;
  for (const YamlError& error : errors) {
    message +=
        fmt::format("{}{}:{}: {}", message.empty() ? "" : "\n", path_, error.line, error.message);
  }
  return message.empty() ? absl::OkStatus()
                         : MakeStatus(absl::StatusCode::kInvalidArgument, message);
}

const std::set<std::string>& ConfigFile::known_keys() const {
  return impl_->findings.known_keys;
}

}  // namespace freshet
