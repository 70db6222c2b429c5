#include "common/version_log/safetensors.h"

#include <catch2/catch.hpp>

namespace freshet::test {
namespace {

SafetensorsHeader Header() {
  SafetensorsHeader header;
  header.metadata = {{"a", "b"}, {"quote\"", "\n\t\u00fc"}};
  header.tensors = {
      {.name = "v/keys", .type = TensorType::kU64, .shape = {3}, .end = 24},
      {.name = "v/none", .type = TensorType::kU32, .shape = {0}, .begin = 24, .end = 24},
      {.name = "v/values", .type = TensorType::kF32, .shape = {3, 2}, .begin = 24, .end = 48},
      {.name = "one", .type = TensorType::kF32, .shape = {}, .begin = 48, .end = 52}};
  return header;
}

TEST_CASE("a safetensors header comes back, padded so that the data is aligned", "[version_log]") {
  const auto bytes = SerializeSafetensorsHeader(Header());
  REQUIRE(bytes.ok());
  REQUIRE(bytes->size() % 8 == 0);
  const std::string json = bytes->substr(kSafetensorsLengthBytes);
  CHECK(static_cast<uint8_t>((*bytes)[0]) + 256 * static_cast<uint8_t>((*bytes)[1]) ==
        static_cast<int>(json.size()));
  CHECK(json.front() == '{');
  const auto header = ParseSafetensorsHeader(json, 52);
  INFO(header.status().ToString());
  REQUIRE(header.ok());
  CHECK(header->metadata == Header().metadata);
  REQUIRE(header->tensors.size() == 4);
  CHECK(header->tensors[2].name == "v/values");
  CHECK(header->tensors[2].shape == std::vector<uint64_t>{3, 2});
  CHECK(header->tensors[3].begin == 48);
}

TEST_CASE("tensors that do not fill the data exactly are refused", "[version_log]") {
  const auto bytes = SerializeSafetensorsHeader(Header());
  REQUIRE(bytes.ok());
  const std::string json = bytes->substr(kSafetensorsLengthBytes);
  CHECK(absl::IsDataLoss(ParseSafetensorsHeader(json, 51).status()));
  CHECK(absl::IsDataLoss(ParseSafetensorsHeader(json, 53).status()));
  CHECK(absl::IsDataLoss(ParseSafetensorsHeader(json, 0).status()));
}

TEST_CASE("headers that lie are refused", "[version_log]") {
  const std::string tensor = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  REQUIRE(ParseSafetensorsHeader("{\"t\":{" + tensor + "}}", 8).ok());
  REQUIRE(ParseSafetensorsHeader("{}", 0).ok());
  const std::vector<std::string> lies = {
      "",
      "{",
      "[]",
      "null",
      "{\"t\":{" + tensor + "}} x",
      "{\"t\":{" + tensor + "},\"t\":{" + tensor + "}}",
      std::string("{\"t\":{" + tensor + "}}") + '\0' + "x",
      R"({"t":[]})",
      R"({"t":{}})",
      R"({"t":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})",
      R"({"t":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})",
      R"({"t":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})",
      R"({"t":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})",
      R"({"t":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})",
      R"({"t":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})",
      R"({"t":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})",
      R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})",
      R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0]}})",
      R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}})",
      R"({"t":{"dtype":"F32","shape":[2],"offsets":[0,8]}})",
      // 2^62 elements of 4 bytes, and a shape beyond 2^64: both wrap to fit.
      R"({"t":{"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]}})",
      R"({"t":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]}})",
      // A gap, an overlap, and the end of one before its begin.
      R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
      std::string(R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)") +
          R"("u":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
      R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[18446744073709551608,0]}})",
      R"({"__metadata__":{"a":1}})",
      R"({"__metadata__":[]})",
      R"({"__metadata__":{"a":"1","a":"2"}})",
      "{\"\xff\":{" + tensor + "}}",
      std::string(1'000'000, '['),
  };
  for (const std::string& lie : lies) {
    const Status status = ParseSafetensorsHeader(lie, 8).status();
    INFO(lie.substr(0, 120) << " -> " << status.ToString());
    CHECK(absl::IsDataLoss(status));
  }
}

}  // namespace
}  // namespace freshet::test
