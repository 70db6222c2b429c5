#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/version_log/checksum.h"
#include "common/version_log/manifest_file.h"
#include "common/version_log/part_columns.h"
#include "common/version_log/part_file.h"
#include "common/version_log/safetensors.h"

namespace freshet {
namespace {

using namespace part_columns;  // NOLINT(google-build-using-namespace): names of this file's format

// Reads one part file. Its errors do not name the file: ReadPart does.
class PartReader {
 public:
  PartReader(const ReadableFile& file, PartColumns columns) : file_(file), columns_(columns) {}

  Status ReadHeader(const proto::PartFile& part);
  StatusOr<PartContents> ReadTensors();

 private:
  StatusOr<EmbeddingRows> ReadEmbedding(const std::string& variable);
  StatusOr<DenseTensor> ReadDense(const std::string& variable);

  // The tensor, or null. Every tensor that was asked for counts as known.
  const TensorInfo* Find(const std::string& variable, const char* column);
  // Reads the tensor, if it is there and has this type, these rows and `*width` elements in each;
  // a width of 0 is filled in from the shape.
  template <typename T>
  Status ReadColumn(const std::string& variable,
                    const char* column,
                    TensorType type,
                    uint64_t rows,
                    uint32_t* width,
                    std::vector<T>* into);
  // A column of one element a row, as many rows as it has.
  template <typename T>
  Status ReadVector(const std::string& variable,
                    const char* column,
                    TensorType type,
                    std::vector<T>* into);
  template <typename T>
  Status ReadData(const TensorInfo& tensor, std::vector<T>* into);
  Status ReadExactly(uint64_t offset, std::span<std::byte> into);

  const ReadableFile& file_;
  const PartColumns columns_;
  SafetensorsHeader header_;
  std::map<std::string, const TensorInfo*> unread_;
  uint64_t data_begin_ = 0;
};

Status PartReader::ReadExactly(uint64_t offset, std::span<std::byte> into) {
  FRESHET_ASSIGN_OR_RETURN(const size_t got, file_.ReadAt(offset, into));
  if (got != into.size()) {
    return DataLoss(
        "ends at byte {}, where {} more should follow", offset + got, into.size() - got);
  }
  return absl::OkStatus();
}

// The size of the file has been checked against the manifest: nothing larger is allocated.
Status PartReader::ReadHeader(const proto::PartFile& part) {
  uint64_t length = 0;
  FRESHET_RETURN_IF_ERROR(ReadExactly(0, std::as_writable_bytes(std::span(&length, 1))));
  if (length > kMaxSafetensorsHeaderBytes || length > part.bytes() - kSafetensorsLengthBytes ||
      length % 8 != 0) {
    return DataLoss("header of {} bytes in a file of {}", length, part.bytes());
  }
  data_begin_ = kSafetensorsLengthBytes + length;
  std::string bytes(data_begin_, '\0');
  FRESHET_RETURN_IF_ERROR(ReadExactly(0, std::as_writable_bytes(std::span(bytes))));
  if (const std::string found = Xxh3Hex(bytes); found != part.header_xxh3()) {
    return DataLoss("header has xxh3 {}, manifest says {}", found, part.header_xxh3());
  }
  const std::string_view json = std::string_view(bytes).substr(kSafetensorsLengthBytes);
  FRESHET_ASSIGN_OR_RETURN(header_, ParseSafetensorsHeader(json, part.bytes() - data_begin_));
  const auto format = header_.metadata.find(kFormatKey);
  if (format == header_.metadata.end()) {
    return DataLoss("no part of ours: its metadata has no {}", kFormatKey);
  }
  if (format->second != kFormat) {
    return FailedPrecondition("part format {}, this program reads {}", format->second, kFormat);
  }
  for (const TensorInfo& tensor : header_.tensors) {
    unread_.emplace(tensor.name, &tensor);
  }
  return absl::OkStatus();
}

const TensorInfo* PartReader::Find(const std::string& variable, const char* column) {
  const auto found = unread_.extract(variable + "/" + column);
  return found.empty() ? nullptr : found.mapped();
}

template <typename T>
Status PartReader::ReadData(const TensorInfo& tensor, std::vector<T>* into) {
  into->resize((tensor.end - tensor.begin) / sizeof(T));
  const auto bytes = std::as_writable_bytes(std::span(*into));
  FRESHET_RETURN_IF_ERROR(ReadExactly(data_begin_ + tensor.begin, bytes));
  const auto expected = header_.metadata.find(kChecksumPrefix + tensor.name);
  if (expected == header_.metadata.end()) {
    return DataLoss("tensor '{}' has no checksum in the header", tensor.name);
  }
  if (const std::string found = Xxh3Hex(bytes); found != expected->second) {
    return DataLoss(
        "tensor '{}' has xxh3 {}, the header says {}", tensor.name, found, expected->second);
  }
  return absl::OkStatus();
}

template <typename T>
Status PartReader::ReadVector(const std::string& variable,
                              const char* column,
                              TensorType type,
                              std::vector<T>* into) {
  const TensorInfo* tensor = Find(variable, column);
  if (tensor == nullptr || tensor->type != type || tensor->shape.size() != 1) {
    return DataLoss("tensor '{}/{}' is missing, or of another type or shape", variable, column);
  }
  return ReadData(*tensor, into);
}

template <typename T>
Status PartReader::ReadColumn(const std::string& variable,
                              const char* column,
                              TensorType type,
                              uint64_t rows,
                              uint32_t* width,
                              std::vector<T>* into) {
  const TensorInfo* tensor = Find(variable, column);
  const size_t rank = width == nullptr ? 1 : 2;
  if (tensor == nullptr || tensor->type != type || tensor->shape.size() != rank ||
      tensor->shape[0] != rows) {
    return DataLoss("tensor '{}/{}' is missing, or of another type or shape than its {} keys need",
                    variable,
                    column,
                    rows);
  }
  if (width != nullptr) {
    if (tensor->shape[1] == 0 || tensor->shape[1] > std::numeric_limits<uint32_t>::max()) {
      return DataLoss("tensor '{}' has rows of {} elements", tensor->name, tensor->shape[1]);
    }
    *width = static_cast<uint32_t>(tensor->shape[1]);
  }
  return into == nullptr ? absl::OkStatus() : ReadData(*tensor, into);
}

StatusOr<EmbeddingRows> PartReader::ReadEmbedding(const std::string& variable) {
  EmbeddingRows rows;
  rows.variable = variable;
  FRESHET_RETURN_IF_ERROR(ReadVector(variable, kKeys, TensorType::kU64, &rows.keys));
  FRESHET_RETURN_IF_ERROR(ReadVector(variable, kTombstones, TensorType::kU64, &rows.tombstones));
  const uint64_t count = rows.keys.size();
  FRESHET_RETURN_IF_ERROR(
      ReadColumn(variable, kValues, TensorType::kF32, count, &rows.dim, &rows.values));
  const bool all = columns_ == PartColumns::kAll;
  if (unread_.contains(variable + "/" + kStates)) {
    FRESHET_RETURN_IF_ERROR(ReadColumn(
        variable, kStates, TensorType::kF32, count, &rows.state_dim, all ? &rows.states : nullptr));
  }
  FRESHET_RETURN_IF_ERROR(ReadColumn(
      variable, kFrequencies, TensorType::kU32, count, nullptr, all ? &rows.frequencies : nullptr));
  FRESHET_RETURN_IF_ERROR(ReadColumn(variable,
                                     kLastUpdates,
                                     TensorType::kU32,
                                     count,
                                     nullptr,
                                     all ? &rows.last_updates : nullptr));
  return rows;
}

StatusOr<DenseTensor> PartReader::ReadDense(const std::string& variable) {
  DenseTensor dense;
  dense.variable = variable;
  const TensorInfo* values = Find(variable, kDenseValues);
  if (values == nullptr || values->type != TensorType::kF32) {
    return DataLoss("tensor '{}/{}' is missing, or not F32", variable, kDenseValues);
  }
  for (const uint64_t extent : values->shape) {
    if (extent > std::numeric_limits<uint32_t>::max()) {
      return DataLoss("tensor '{}' has an extent of {}", values->name, extent);
    }
    dense.shape.push_back(static_cast<uint32_t>(extent));
  }
  FRESHET_RETURN_IF_ERROR(ReadData(*values, &dense.values));
  const TensorInfo* states = Find(variable, kDenseStates);
  if (states != nullptr) {
    if (states->type != TensorType::kF32 || states->shape.size() != 1) {
      return DataLoss("tensor '{}' is no vector of F32", states->name);
    }
    if (columns_ == PartColumns::kAll) {
      FRESHET_RETURN_IF_ERROR(ReadData(*states, &dense.states));
    }
  }
  return dense;
}

StatusOr<PartContents> PartReader::ReadTensors() {
  PartContents contents;
  for (const TensorInfo& tensor : header_.tensors) {
    const size_t slash = tensor.name.rfind('/');
    if (slash == std::string::npos) {
      return DataLoss("tensor '{}' is of no variable", tensor.name);
    }
    const std::string variable = tensor.name.substr(0, slash);
    const std::string column = tensor.name.substr(slash + 1);
    if (column == kKeys) {
      FRESHET_ASSIGN_OR_RETURN(EmbeddingRows rows, ReadEmbedding(variable));
      contents.embeddings.push_back(std::move(rows));
    } else if (column == kDenseValues) {
      FRESHET_ASSIGN_OR_RETURN(DenseTensor dense, ReadDense(variable));
      contents.dense.push_back(std::move(dense));
    }
  }
  if (!unread_.empty()) {
    return DataLoss("tensor '{}' belongs to no variable", unread_.begin()->first);
  }
  return contents;
}

Status CheckCounts(const proto::PartFile& part, const PartContents& contents) {
  uint64_t rows = 0;
  uint64_t tombstones = 0;
  for (const EmbeddingRows& embedding : contents.embeddings) {
    rows += embedding.keys.size();
    tombstones += embedding.tombstones.size();
  }
  if (rows != part.rows() || tombstones != part.tombstones()) {
    return DataLoss("holds {} rows and {} tombstones, manifest says {} and {}",
                    rows,
                    tombstones,
                    part.rows(),
                    part.tombstones());
  }
  return absl::OkStatus();
}

StatusOr<PartContents> Read(FileSystem& files,
                            const std::string& path,
                            const proto::PartFile& part,
                            PartColumns columns) {
  FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
  if (info.bytes != part.bytes() || part.bytes() < kSafetensorsLengthBytes) {
    return DataLoss("has {} bytes, manifest says {}", info.bytes, part.bytes());
  }
  FRESHET_ASSIGN_OR_RETURN(const auto file, files.OpenReadable(path));
  PartReader reader(*file, columns);
  FRESHET_RETURN_IF_ERROR(reader.ReadHeader(part));
  FRESHET_ASSIGN_OR_RETURN(PartContents contents, reader.ReadTensors());
  FRESHET_RETURN_IF_ERROR(CheckCounts(part, contents));
  return contents;
}

}  // namespace

StatusOr<PartContents> ReadPart(FileSystem& files,
                                const std::string& directory,
                                const proto::PartFile& part,
                                PartColumns columns) {
  if (!IsPlainFileName(part.name())) {
    return DataLoss(
        "{}: the manifest names a part '{}', which is no file name", directory, part.name());
  }
  const std::string path = directory + "/" + part.name();
  StatusOr<PartContents> contents = Read(files, path, part, columns);
  if (contents.ok()) {
    return contents;
  }
  if (absl::IsNotFound(contents.status())) {
    // The manifest says that it is there.
    return DataLoss("part {} is missing: {}", path, MessageOf(contents.status()));
  }
  return Annotate(contents.status(), "part " + path);
}

}  // namespace freshet
