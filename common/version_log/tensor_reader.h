#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "common/env/file_system.h"
#include "common/status.h"
#include "common/version_log/safetensors.h"

namespace freshet {

// The type that columns of T are stored as, unless it is told otherwise.
template <typename T>
constexpr TensorType TensorTypeOf() {
  if constexpr (std::is_same_v<T, float>) {
    return TensorType::kF32;
  } else if constexpr (std::is_same_v<T, uint64_t>) {
    return TensorType::kU64;
  } else if constexpr (std::is_same_v<T, uint32_t>) {
    return TensorType::kU32;
  } else if constexpr (std::is_same_v<T, uint16_t>) {
    return TensorType::kU16;
  } else if constexpr (std::is_same_v<T, int8_t>) {
    return TensorType::kI8;
  } else {
    static_assert(std::is_same_v<T, uint8_t>);
    return TensorType::kU8;
  }
}

// The tensors of one part file, each taken at most once; it is known in the end which nobody took.
// Errors do not name the file: they are DataLoss, or the file system's.
// Thread-safety: one thread.
class TensorReader {
 public:
  // `file` outlives this object.
  explicit TensorReader(const ReadableFile& file) : file_(file) {}

  // Reads the header and checks it. FailedPrecondition: a part of a newer format.
  Status Open(uint64_t file_bytes, const std::string& header_xxh3);

  // In the order of the file.
  const std::vector<TensorInfo>& tensors() const { return header_.tensors; }

  // Not yet taken; null if it is not there.
  const TensorInfo* Find(const std::string& name) const;

  const TensorInfo* Find(const std::string& variable, const char* column) const {
    return Find(variable + "/" + column);
  }

  bool Has(const std::string& variable, const char* column) const {
    return Find(variable, column) != nullptr;
  }

  // From now on ReadColumn and ReadMatrix yield the elements of these rows (ascending), though all
  // are checked; null: of all rows. `rows` outlives that.
  void PickRows(const std::vector<uint32_t>* rows) { picked_ = rows; }

  // Takes a tensor as it is, without reading it; null if it is not there.
  const TensorInfo* Take(const std::string& name);

  const TensorInfo* Take(const std::string& variable, const char* column) {
    return Take(variable + "/" + column);
  }

  // Takes a column of one element a row, as many rows as it has. `into` null: it is not read.
  template <typename T>
  Status ReadVector(const std::string& variable, const char* column, std::vector<T>* into) {
    return ReadTensor(variable, column, TensorTypeOf<T>(), std::nullopt, nullptr, into);
  }

  // Takes a column of one element in each of the rows.
  template <typename T>
  Status ReadColumn(const std::string& variable,
                    const char* column,
                    uint64_t rows,
                    std::vector<T>* into) {
    return ReadTensor(variable, column, TensorTypeOf<T>(), rows, nullptr, into);
  }

  // Takes a column of several elements in each of the rows: `width` tells how many, 1 at least.
  template <typename T>
  Status ReadMatrix(const std::string& variable,
                    const char* column,
                    TensorType type,
                    uint64_t rows,
                    uint32_t* width,
                    std::vector<T>* into) {
    return ReadTensor(variable, column, type, rows, width, into);
  }

  // The data of a tensor that was taken, checked against its checksum.
  template <typename T>
  Status ReadData(const TensorInfo& tensor, std::vector<T>* into) const {
    into->resize((tensor.end - tensor.begin) / sizeof(T));
    return ReadBytes(tensor, std::as_writable_bytes(std::span(*into)));
  }

  // The name of a tensor that nobody took.
  std::optional<std::string> Left() const;

 private:
  template <typename T>
  Status ReadTensor(const std::string& variable,
                    const char* column,
                    TensorType type,
                    std::optional<uint64_t> rows,
                    uint32_t* width,
                    std::vector<T>* into) {
    FRESHET_ASSIGN_OR_RETURN(const TensorInfo* const tensor,
                             TakeFitting(variable, column, type, rows, width));
    if (into == nullptr) {
      return absl::OkStatus();
    }
    if (picked_ == nullptr || !rows) {
      return ReadData(*tensor, into);
    }
    into->resize(picked_->size() * (width == nullptr ? 1 : *width));
    return ReadPicked(*tensor, std::as_writable_bytes(std::span(*into)));
  }

  StatusOr<const TensorInfo*> TakeFitting(const std::string& variable,
                                          const char* column,
                                          TensorType type,
                                          std::optional<uint64_t> rows,
                                          uint32_t* width);
  Status ReadBytes(const TensorInfo& tensor, std::span<std::byte> into) const;
  Status ReadPicked(const TensorInfo& tensor, std::span<std::byte> into) const;
  Status CheckSum(const TensorInfo& tensor, const std::string& found) const;
  Status ReadExactly(uint64_t offset, std::span<std::byte> into) const;

  const ReadableFile& file_;
  SafetensorsHeader header_;
  std::map<std::string, const TensorInfo*> left_;
  uint64_t data_begin_ = 0;
  const std::vector<uint32_t>* picked_ = nullptr;
};

}  // namespace freshet
