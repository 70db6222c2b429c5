#include "common/version_log/safetensors.h"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <tuple>
#include <utility>

#include "common/check.h"

namespace freshet {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are stored as they lie in memory");

constexpr char kMetadataName[] = "__metadata__";

using Writer = rapidjson::Writer<rapidjson::StringBuffer,
                                 rapidjson::UTF8<>,
                                 rapidjson::UTF8<>,
                                 rapidjson::CrtAllocator,
                                 rapidjson::kWriteValidateEncodingFlag>;

struct TypeFacts {
  TensorType type;
  const char* name;
  uint64_t bytes;  // of an element
};

constexpr TypeFacts kTypes[] = {{TensorType::kI8, "I8", 1},
                                {TensorType::kU8, "U8", 1},
                                {TensorType::kU16, "U16", 2},
                                {TensorType::kU32, "U32", 4},
                                {TensorType::kU64, "U64", 8},
                                {TensorType::kF16, "F16", 2},
                                {TensorType::kBf16, "BF16", 2},
                                {TensorType::kF32, "F32", 4}};

const TypeFacts& FactsOf(TensorType type) {
  for (const TypeFacts& facts : kTypes) {
    if (facts.type == type) {
      return facts;
    }
  }
  FRESHET_UNREACHABLE();
}

StatusOr<TensorType> TypeNamed(std::string_view name) {
  for (const TypeFacts& facts : kTypes) {
    if (name == facts.name) {
      return facts.type;
    }
  }
  return DataLoss("dtype '{}', known are I8, U8, U16, U32, U64, F16, BF16 and F32", name);
}

std::string_view View(const rapidjson::Value& string) {
  return {string.GetString(), string.GetStringLength()};
}

bool WriteString(Writer& writer, const std::string& text) {
  return writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

bool WriteTensor(Writer& writer, const TensorInfo& tensor) {
  if (!WriteString(writer, tensor.name)) {
    return false;
  }
  writer.StartObject();
  writer.Key("dtype");
  writer.String(FactsOf(tensor.type).name);
  writer.Key("shape");
  writer.StartArray();
  for (const uint64_t extent : tensor.shape) {
    writer.Uint64(extent);
  }
  writer.EndArray();
  writer.Key("data_offsets");
  writer.StartArray();
  writer.Uint64(tensor.begin);
  writer.Uint64(tensor.end);
  writer.EndArray();
  return writer.EndObject();
}

Status ParseMetadata(const rapidjson::Value& value, SafetensorsHeader* header) {
  if (!value.IsObject()) {
    return DataLoss("{} is no object", kMetadataName);
  }
  for (const auto& member : value.GetObject()) {
    if (!member.value.IsString()) {
      return DataLoss("{}: '{}' is no string", kMetadataName, View(member.name));
    }
    if (!header->metadata.emplace(View(member.name), View(member.value)).second) {
      return DataLoss("{}: '{}' comes twice", kMetadataName, View(member.name));
    }
  }
  return absl::OkStatus();
}

StatusOr<std::vector<uint64_t>> ParseNumbers(const rapidjson::Value& tensor, const char* key) {
  const auto member = tensor.FindMember(key);
  if (member == tensor.MemberEnd() || !member->value.IsArray()) {
    return DataLoss("no array {}", key);
  }
  std::vector<uint64_t> numbers;
  for (const auto& element : member->value.GetArray()) {
    if (!element.IsUint64()) {
      return DataLoss("{} holds something other than whole numbers from 0", key);
    }
    numbers.push_back(element.GetUint64());
  }
  return numbers;
}

StatusOr<TensorInfo> ParseTensor(std::string_view name, const rapidjson::Value& value) {
  if (!value.IsObject() || value.MemberCount() != 3) {
    return DataLoss("no object of dtype, shape and data_offsets");
  }
  TensorInfo tensor;
  tensor.name = std::string(name);
  const auto type = value.FindMember("dtype");
  if (type == value.MemberEnd() || !type->value.IsString()) {
    return DataLoss("no string dtype");
  }
  FRESHET_ASSIGN_OR_RETURN(tensor.type, TypeNamed(View(type->value)));
  FRESHET_ASSIGN_OR_RETURN(tensor.shape, ParseNumbers(value, "shape"));
  FRESHET_ASSIGN_OR_RETURN(const std::vector<uint64_t> offsets,
                           ParseNumbers(value, "data_offsets"));
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    return DataLoss("data_offsets are no pair of begin and end");
  }
  tensor.begin = offsets[0];
  tensor.end = offsets[1];
  const StatusOr<uint64_t> elements = ElementCount(tensor.shape);
  uint64_t bytes = 0;
  if (!elements.ok() || __builtin_mul_overflow(*elements, BytesPerElement(tensor.type), &bytes) ||
      bytes != tensor.end - tensor.begin) {
    return DataLoss("its shape does not fit its {} bytes", tensor.end - tensor.begin);
  }
  return tensor;
}

// Sorts the tensors by where they lie, and makes sure that they fill the data.
Status OrderTensors(uint64_t data_bytes, std::vector<TensorInfo>* tensors) {
  // Stable: empty tensors at the same place stay in the order of the header.
  std::stable_sort(tensors->begin(), tensors->end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  uint64_t end = 0;
  for (const TensorInfo& tensor : *tensors) {
    if (tensor.begin != end) {
      return DataLoss("tensor '{}' begins at byte {} of the data, the one before it ends at {}",
                      tensor.name,
                      tensor.begin,
                      end);
    }
    end = tensor.end;
  }
  if (end != data_bytes) {
    return DataLoss("the tensors need {} bytes of data, there are {}", end, data_bytes);
  }
  return absl::OkStatus();
}

}  // namespace

uint64_t BytesPerElement(TensorType type) {
  return FactsOf(type).bytes;
}

StatusOr<uint64_t> ElementCount(const std::vector<uint64_t>& shape) {
  uint64_t count = 1;
  for (const uint64_t extent : shape) {
    if (__builtin_mul_overflow(count, extent, &count)) {
      return InvalidArgument("a shape of more than 2^64 elements");
    }
  }
  return count;
}

StatusOr<std::string> SerializeSafetensorsHeader(const SafetensorsHeader& header) {
  rapidjson::StringBuffer json;
  Writer writer(json);
  std::set<std::string_view> names = {kMetadataName};
  bool valid = writer.StartObject();
  writer.Key(kMetadataName);
  writer.StartObject();
  for (const auto& [key, value] : header.metadata) {
    valid = valid && WriteString(writer, key) && WriteString(writer, value);
  }
  writer.EndObject();
  for (const TensorInfo& tensor : header.tensors) {
    if (!names.insert(tensor.name).second) {
      return InvalidArgument("two tensors are named '{}'", tensor.name);
    }
    valid = valid && WriteTensor(writer, tensor);
  }
  writer.EndObject();
  if (!valid) {
    return InvalidArgument("the name of a tensor is not UTF-8");
  }
  const uint64_t unpadded = json.GetSize();
  const uint64_t length = (unpadded + 7) / 8 * 8;
  std::string bytes(kSafetensorsLengthBytes + length, ' ');
  std::memcpy(bytes.data(), &length, sizeof(length));
  std::memcpy(bytes.data() + kSafetensorsLengthBytes, json.GetString(), unpadded);
  return bytes;
}

StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json, uint64_t data_bytes) {
  // RapidJSON takes a NUL for the end and would not look at what follows.
  if (json.find('\0') != std::string_view::npos) {
    return DataLoss("the header holds a zero byte");
  }
  // Iterative: a header of a million brackets must not exhaust the stack.
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  rapidjson::Document document;
  document.Parse<kFlags>(json.data(), json.size());
  if (document.HasParseError()) {
    return DataLoss("the header is no JSON: {} at byte {}",
                    rapidjson::GetParseError_En(document.GetParseError()),
                    document.GetErrorOffset());
  }
  if (!document.IsObject()) {
    return DataLoss("the header is no JSON object");
  }
  SafetensorsHeader header;
  std::set<std::string_view> names;
  // As a constant: RapidJSON's other iterators compare ambiguously in C++20.
  for (const auto& member : std::as_const(document).GetObject()) {
    const std::string_view name = View(member.name);
    if (!names.insert(name).second) {
      return DataLoss("'{}' comes twice in the header", name);
    }
    if (name == kMetadataName) {
      FRESHET_RETURN_IF_ERROR(ParseMetadata(member.value, &header));
      continue;
    }
    StatusOr<TensorInfo> tensor = ParseTensor(name, member.value);
    if (!tensor.ok()) {
      return Annotate(tensor.status(), fmt::format("tensor '{}'", name));
    }
    header.tensors.push_back(*std::move(tensor));
  }
  FRESHET_RETURN_IF_ERROR(OrderTensors(data_bytes, &header.tensors));
  return header;
}

}  // namespace freshet
