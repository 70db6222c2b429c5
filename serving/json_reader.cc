#include "serving/json_reader.h"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

#include <algorithm>
#include <charconv>

#include "common/config/nearest.h"

namespace freshet::serving {
namespace {

const rapidjson::Value& Of(const void* value) {
  return *static_cast<const rapidjson::Value*>(value);
}

std::string_view TextOf(const rapidjson::Value& value) {
  return {value.GetString(), value.GetStringLength()};
}

const rapidjson::Value* Find(const void* object, std::string_view name) {
  const rapidjson::Value key(rapidjson::StringRef(name.data(), name.size()));
  const auto member = Of(object).FindMember(key);
  return member == Of(object).MemberEnd() || member->value.IsNull() ? nullptr : &member->value;
}

// What the value is, for messages.
const char* KindOf(const rapidjson::Value& value) {
  switch (value.GetType()) {
    case rapidjson::kObjectType:
      return "an object";
    case rapidjson::kArrayType:
      return "a list";
    case rapidjson::kStringType:
      return "a text or number";
    case rapidjson::kNullType:
      return "null";
    default:
      return "true or false";
  }
}

Status ShouldBe(const std::string& path, const char* right, const rapidjson::Value& value) {
  return InvalidArgument("field '{}' should be {}, it is {}", path, right, KindOf(value));
}

Status Missing(const std::string& path, const char* right) {
  return InvalidArgument("field '{}' is missing; it should be {}", path, right);
}

}  // namespace

struct JsonDocument::Impl {
  rapidjson::Document document;
};

JsonDocument::JsonDocument(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

StatusOr<JsonDocument> JsonDocument::Parse(std::string_view text) {
  // Iterative: brackets nested by the million must not use up the stack.
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                              rapidjson::kParseNumbersAsStringsFlag |
                              rapidjson::kParseValidateEncodingFlag;
  auto impl = std::make_unique<Impl>();
  impl->document.Parse<kFlags>(text.data(), text.size());
  if (impl->document.HasParseError()) {
    return InvalidArgument("the body is no JSON at byte {}: {}",
                           impl->document.GetErrorOffset(),
                           rapidjson::GetParseError_En(impl->document.GetParseError()));
  }
  if (!impl->document.IsObject()) {
    return InvalidArgument("the body should be a JSON object, it is {}", KindOf(impl->document));
  }
  return JsonDocument(std::move(impl));
}

JsonObject JsonDocument::root() const {
  return {&static_cast<const rapidjson::Value&>(impl_->document), ""};
}

std::string JsonObject::PathOf(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

bool JsonObject::Has(std::string_view name) const {
  return Find(value_, name) != nullptr;
}

Status JsonObject::OnlyKnown(std::initializer_list<const char*> names) const {
  for (const auto& member : Of(value_).GetObject()) {
    const std::string_view name = TextOf(member.name);
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return InvalidArgument(
          "unknown field '{}'; {}",
          PathOf(name),
          Suggestion(name, std::vector<std::string>(names.begin(), names.end())));
    }
  }
  return absl::OkStatus();
}

StatusOr<std::string_view> JsonObject::String(const char* name) const {
  const rapidjson::Value* value = Find(value_, name);
  if (value == nullptr) {
    return Missing(PathOf(name), "a text");
  }
  if (!value->IsString()) {
    return ShouldBe(PathOf(name), "a text", *value);
  }
  return TextOf(*value);
}

StatusOr<uint64_t> JsonObject::Number(const char* name,
                                      uint64_t otherwise,
                                      uint64_t least,
                                      uint64_t most) const {
  const rapidjson::Value* value = Find(value_, name);
  if (value == nullptr) {
    return otherwise;
  }
  uint64_t number = 0;
  if (value->IsString()) {
    const std::string_view text = TextOf(*value);
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && stop == text.data() + text.size() && number >= least &&
        number <= most) {
      return number;
    }
    return InvalidArgument("field '{}' should be a whole number from {} to {}, it is {}",
                           PathOf(name),
                           least,
                           most,
                           text.substr(0, 40));
  }
  return InvalidArgument("field '{}' should be a whole number from {} to {}, it is {}",
                         PathOf(name),
                         least,
                         most,
                         KindOf(*value));
}

StatusOr<std::vector<std::string_view>> JsonObject::Strings(const char* name, size_t most) const {
  std::vector<std::string_view> texts;
  const rapidjson::Value* value = Find(value_, name);
  if (value == nullptr) {
    return texts;
  }
  if (!value->IsArray()) {
    return ShouldBe(PathOf(name), "a list of texts", *value);
  }
  if (value->Size() > most) {
    return InvalidArgument("field '{}' has {} entries, at most {} are allowed in a request",
                           PathOf(name),
                           value->Size(),
                           most);
  }
  texts.reserve(value->Size());
  for (const rapidjson::Value& entry : value->GetArray()) {
    if (!entry.IsString()) {
      return ShouldBe(fmt::format("{}[{}]", PathOf(name), texts.size()), "a text", entry);
    }
    texts.push_back(TextOf(entry));
  }
  return texts;
}

StatusOr<JsonObject> JsonObject::Object(const char* name) const {
  const rapidjson::Value* value = Find(value_, name);
  if (value == nullptr) {
    return Missing(PathOf(name), "an object");
  }
  if (!value->IsObject()) {
    return ShouldBe(PathOf(name), "an object", *value);
  }
  return JsonObject(value, PathOf(name));
}

StatusOr<std::vector<JsonObject>> JsonObject::Objects(const char* name, size_t most) const {
  std::vector<JsonObject> objects;
  const rapidjson::Value* value = Find(value_, name);
  if (value == nullptr) {
    return objects;
  }
  if (!value->IsArray()) {
    return ShouldBe(PathOf(name), "a list of objects", *value);
  }
  if (value->Size() > most) {
    return InvalidArgument("field '{}' has {} entries, at most {} are allowed in a request",
                           PathOf(name),
                           value->Size(),
                           most);
  }
  objects.reserve(value->Size());
  for (const rapidjson::Value& entry : value->GetArray()) {
    std::string path = fmt::format("{}[{}]", PathOf(name), objects.size());
    if (!entry.IsObject()) {
      return ShouldBe(path, "an object", entry);
    }
    objects.push_back(JsonObject(&entry, std::move(path)));
  }
  return objects;
}

StatusOr<std::vector<std::pair<std::string_view, std::string_view>>> JsonObject::Fields() const {
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  for (const auto& member : Of(value_).GetObject()) {
    const std::string_view name = TextOf(member.name);
    const auto same = [&](const auto& field) { return field.first == name; };
    if (std::find_if(fields.begin(), fields.end(), same) != fields.end()) {
      return InvalidArgument("field '{}' is there twice", PathOf(name));
    }
    if (member.value.IsNull()) {
      continue;
    }
    if (!member.value.IsString()) {
      return ShouldBe(PathOf(name), "a text or number", member.value);
    }
    // Fields that a model can have are few; more are a mistake, or an attack on the search above.
    constexpr size_t kMostFields = 1000;
    if (fields.size() == kMostFields) {
      return InvalidArgument("'{}' has more than {} fields", path_, kMostFields);
    }
    fields.emplace_back(name, TextOf(member.value));
  }
  return fields;
}

}  // namespace freshet::serving
