#pragma once
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status.h"

namespace freshet::serving {

class JsonDocument;

// An object of a request's body. Numbers are read as they were written, so 12 and "12" are the same
// text: a user id need not be quoted. Every error is InvalidArgument and names the field, as
// "candidates[3].genres", and what would be right. A view: the document outlives it.
class JsonObject {
 public:
  bool Has(std::string_view name) const;

  // An error for a field that is none of these, with the nearest of them.
  Status OnlyKnown(std::initializer_list<const char*> names) const;

  // Absent: an error.
  StatusOr<std::string_view> String(const char* name) const;
  // Absent: `otherwise`.
  StatusOr<uint64_t> Number(const char* name,
                            uint64_t otherwise,
                            uint64_t least,
                            uint64_t most) const;
  // A list of texts or numbers. Absent: empty.
  StatusOr<std::vector<std::string_view>> Strings(const char* name, size_t most) const;
  // Absent: an error.
  StatusOr<JsonObject> Object(const char* name) const;
  // A list of objects. Absent: empty.
  StatusOr<std::vector<JsonObject>> Objects(const char* name, size_t most) const;
  // All fields, each a text or number; those that are null are left out. A field may not be there
  // twice.
  StatusOr<std::vector<std::pair<std::string_view, std::string_view>>> Fields() const;

  // Where it stands in the request: "context", "candidates[3]"; empty for the request itself.
  const std::string& path() const { return path_; }

 private:
  friend class JsonDocument;

  // `value`: a rapidjson::Value that is an object. RapidJSON stays in the .cc.
  JsonObject(const void* value, std::string path) : value_(value), path_(std::move(path)) {}

  std::string PathOf(std::string_view name) const;

  const void* value_;
  std::string path_;
};

class JsonDocument {
 public:
  // InvalidArgument says where `text` stops being JSON, or that it is no object.
  static StatusOr<JsonDocument> Parse(std::string_view text);

  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

  JsonObject root() const;

 private:
  struct Impl;
  explicit JsonDocument(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet::serving
