#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace freshet::serving {

// Writes one JSON value, compactly. Commas are put where they belong; that the calls make a value
// is up to the caller. One thread at a time.
class JsonWriter {
 public:
  JsonWriter& BeginObject() { return Open('{'); }

  JsonWriter& EndObject() { return Close('}'); }

  JsonWriter& BeginArray() { return Open('['); }

  JsonWriter& EndArray() { return Close(']'); }

  // The name of what comes next.
  JsonWriter& Key(std::string_view name);

  // Bytes that are no UTF-8 become U+FFFD.
  JsonWriter& String(std::string_view text);
  JsonWriter& Uint(uint64_t number);
  JsonWriter& Int(int64_t number);
  // The shortest digits that read back as the same number; null if it is none or infinite.
  JsonWriter& Float(float number);
  JsonWriter& Double(double number);
  JsonWriter& Bool(bool value);
  JsonWriter& Null();

  const std::string& text() const { return text_; }

  std::string Take() { return std::move(text_); }

 private:
  JsonWriter& Open(char bracket);
  JsonWriter& Close(char bracket);
  JsonWriter& Raw(std::string_view value);
  void Separate();
  void AppendQuoted(std::string_view text);

  std::string text_;
  bool after_value_ = false;
};

}  // namespace freshet::serving
