#include "common/version_log/tensor_reader.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>

#include "common/mutant.h"
#include "common/version_log/checksum.h"
#include "common/version_log/part_columns.h"

namespace freshet {

using namespace part_columns;  // NOLINT(google-build-using-namespace): names of this file's format

Status TensorReader::ReadExactly(uint64_t offset, std::span<std::byte> into) const {
  FRESHET_ASSIGN_OR_RETURN(const size_t got, file_.ReadAt(offset, into));
  if (got != into.size()) {
    return DataLoss(
        "ends at byte {}, where {} more should follow", offset + got, into.size() - got);
  }
  return absl::OkStatus();
}

// The size of the file has been checked against the manifest: nothing larger is allocated.
Status TensorReader::Open(uint64_t file_bytes, const std::string& header_xxh3) {
  uint64_t length = 0;
  FRESHET_RETURN_IF_ERROR(ReadExactly(0, std::as_writable_bytes(std::span(&length, 1))));
  if (length > kMaxSafetensorsHeaderBytes || length > file_bytes - kSafetensorsLengthBytes ||
      length % 8 != 0) {
    return DataLoss("header of {} bytes in a file of {}", length, file_bytes);
  }
  data_begin_ = kSafetensorsLengthBytes + length;
  std::string bytes(data_begin_, '\0');
  FRESHET_RETURN_IF_ERROR(ReadExactly(0, std::as_writable_bytes(std::span(bytes))));
  if (const std::string found = Xxh3Hex(bytes); found != header_xxh3) {
    return DataLoss("header has xxh3 {}, manifest says {}", found, header_xxh3);
  }
  const std::string_view json = std::string_view(bytes).substr(kSafetensorsLengthBytes);
  FRESHET_ASSIGN_OR_RETURN(header_, ParseSafetensorsHeader(json, file_bytes - data_begin_));
  const auto format = header_.metadata.find(kFormatKey);
  if (format == header_.metadata.end()) {
    return DataLoss("no part of ours: its metadata has no {}", kFormatKey);
  }
  if (format->second != kFormat1 && format->second != kFormat2 && format->second != kFormat3) {
    return FailedPrecondition(
        "part format {}, this program reads {} to {}", format->second, kFormat1, kFormat3);
  }
  for (const TensorInfo& tensor : header_.tensors) {
    left_.emplace(tensor.name, &tensor);
  }
  return absl::OkStatus();
}

const TensorInfo* TensorReader::Find(const std::string& name) const {
  const auto found = left_.find(name);
  return found == left_.end() ? nullptr : found->second;
}

const TensorInfo* TensorReader::Take(const std::string& name) {
  const auto found = left_.extract(name);
  return found.empty() ? nullptr : found.mapped();
}

std::optional<std::string> TensorReader::Left() const {
  return left_.empty() ? std::nullopt : std::optional(left_.begin()->first);
}

StatusOr<const TensorInfo*> TensorReader::TakeFitting(const std::string& variable,
                                                      const char* column,
                                                      TensorType type,
                                                      std::optional<uint64_t> rows,
                                                      uint32_t* width) {
  const TensorInfo* const tensor = Take(variable, column);
  const size_t rank = width == nullptr ? 1 : 2;
  if (tensor == nullptr || tensor->type != type || tensor->shape.size() != rank ||
      (rows && tensor->shape[0] != *rows)) {
    return DataLoss("tensor '{}/{}' is missing, or of another type or shape{}",
                    variable,
                    column,
                    rows ? fmt::format(" than its {} rows need", *rows) : "");
  }
  if (width != nullptr) {
    if (tensor->shape[1] == 0 || tensor->shape[1] > std::numeric_limits<uint32_t>::max()) {
      return DataLoss("tensor '{}' has rows of {} elements", tensor->name, tensor->shape[1]);
    }
    *width = static_cast<uint32_t>(tensor->shape[1]);
  }
  return tensor;
}

Status TensorReader::ReadBytes(const TensorInfo& tensor, std::span<std::byte> into) const {
  FRESHET_RETURN_IF_ERROR(ReadExactly(data_begin_ + tensor.begin, into));
  return CheckSum(tensor, Xxh3Hex(into));
}

// In blocks that stay in the processor's cache.
Status TensorReader::ReadPicked(const TensorInfo& tensor, std::span<std::byte> into) const {
  constexpr uint64_t kBlockBytes = 128U << 10U;
  const uint64_t rows = tensor.shape[0];
  const uint64_t row_bytes = rows == 0 ? 0 : (tensor.end - tensor.begin) / rows;
  const uint64_t block_rows = std::max<uint64_t>(1, kBlockBytes / std::max<uint64_t>(1, row_bytes));
  std::vector<std::byte> block(std::min(block_rows, rows) * row_bytes);
  Xxh3Sum sum;
  auto next = picked_->begin();
  for (uint64_t begin = 0; begin < rows; begin += block_rows) {
    const uint64_t end = std::min(begin + block_rows, rows);
    const auto bytes = std::span(block).first((end - begin) * row_bytes);
    FRESHET_RETURN_IF_ERROR(ReadExactly(data_begin_ + tensor.begin + begin * row_bytes, bytes));
    sum.Add(bytes);
    for (; next != picked_->end() && *next < end; ++next) {
      std::memcpy(into.data(), &bytes[(*next - begin) * row_bytes], row_bytes);
      into = into.subspan(row_bytes);
    }
  }
  return CheckSum(tensor, sum.Hex());
}

Status TensorReader::CheckSum(const TensorInfo& tensor, const std::string& found) const {
  const auto expected = header_.metadata.find(kChecksumPrefix + tensor.name);
  if (expected == header_.metadata.end()) {
    return DataLoss("tensor '{}' has no checksum in the header", tensor.name);
  }
  if (found != expected->second && !Mutant("log_ignores_checksums")) {
    return DataLoss(
        "tensor '{}' has xxh3 {}, the header says {}", tensor.name, found, expected->second);
  }
  return absl::OkStatus();
}

}  // namespace freshet
