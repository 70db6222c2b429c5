#include "common/version_log/tensor_reader.h"

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
  const auto expected = header_.metadata.find(kChecksumPrefix + tensor.name);
  if (expected == header_.metadata.end()) {
    return DataLoss("tensor '{}' has no checksum in the header", tensor.name);
  }
  if (const std::string found = Xxh3Hex(into);
      found != expected->second && !Mutant("log_ignores_checksums")) {
    return DataLoss(
        "tensor '{}' has xxh3 {}, the header says {}", tensor.name, found, expected->second);
  }
  return absl::OkStatus();
}

}  // namespace freshet
