#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

// The safetensors container (https://github.com/huggingface/safetensors, "Format"), as far as
// part files need it: u64 length, JSON header, data. Nothing here touches a file.
namespace freshet {

enum class TensorType { kI8, kU8, kU16, kU32, kU64, kF16, kBf16, kF32 };

uint64_t BytesPerElement(TensorType type);

// Where one tensor lies in a file.
struct TensorInfo {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<uint64_t> shape;  // row-major; empty: a single element
  uint64_t begin = 0;           // bytes into the data, which begins where the header ends
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorInfo> tensors;  // in the order of their data, one after the other
};

// Bytes of the length that every file begins with.
inline constexpr uint64_t kSafetensorsLengthBytes = 8;
// As in the reference implementation: a longer header is refused.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

// Product of the shape; InvalidArgument if it does not fit into 64 bits.
StatusOr<uint64_t> ElementCount(const std::vector<uint64_t>& shape);

// Everything before the data: length, JSON, and spaces up to a multiple of 8, so that the data is
// aligned. The tensors lie without gaps. InvalidArgument: a name is not UTF-8, or comes twice.
StatusOr<std::string> SerializeSafetensorsHeader(const SafetensorsHeader& header);

// Reads the header without its length. DataLoss, unless the tensors fill `data_bytes` exactly,
// without gap or overlap, and each has a known type, and a shape that fits its bytes.
// Survives any input.
StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json, uint64_t data_bytes);

}  // namespace freshet
