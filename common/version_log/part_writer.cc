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

// A tensor to be, and where its bytes are.
struct Column {
  TensorInfo info;
  std::span<const std::byte> bytes;
};

template <typename T>
Column MakeColumn(const std::string& variable,
                  const char* column,
                  TensorType type,
                  std::vector<uint64_t> shape,
                  const std::vector<T>& elements) {
  return Column{.info = {.name = variable + "/" + column, .type = type, .shape = std::move(shape)},
                .bytes = std::as_bytes(std::span(elements))};
}

Status CheckRows(const EmbeddingRows& rows) {
  const uint64_t count = rows.keys.size();
  if (rows.dim == 0 || rows.values.size() != count * rows.dim ||
      rows.states.size() != count * rows.state_dim || rows.frequencies.size() != count ||
      rows.last_updates.size() != count) {
    return InvalidArgument(
        "variable '{}': {} keys with dim {} and state_dim {} do not go with {} values, {} states, "
        "{} frequencies, {} last updates",
        rows.variable,
        count,
        rows.dim,
        rows.state_dim,
        rows.values.size(),
        rows.states.size(),
        rows.frequencies.size(),
        rows.last_updates.size());
  }
  return absl::OkStatus();
}

Status CheckDense(const DenseTensor& tensor) {
  const StatusOr<uint64_t> elements = ElementCount({tensor.shape.begin(), tensor.shape.end()});
  if (!elements.ok() || *elements != tensor.values.size()) {
    return InvalidArgument("dense variable '{}': {} values do not have its shape",
                           tensor.variable,
                           tensor.values.size());
  }
  return absl::OkStatus();
}

Status Check(const PartContents& contents) {
  for (const EmbeddingRows& rows : contents.embeddings) {
    FRESHET_RETURN_IF_ERROR(CheckRows(rows));
  }
  for (const DenseTensor& tensor : contents.dense) {
    FRESHET_RETURN_IF_ERROR(CheckDense(tensor));
  }
  return absl::OkStatus();
}

// In the order of the file: what serving reads comes first, and what has 8 bytes an element before
// what has 4, so that without any gap every tensor is aligned.
std::vector<Column> ColumnsOf(const PartContents& contents) {
  std::vector<Column> columns;
  for (const EmbeddingRows& rows : contents.embeddings) {
    columns.push_back(
        MakeColumn(rows.variable, kKeys, TensorType::kU64, {rows.keys.size()}, rows.keys));
    columns.push_back(MakeColumn(
        rows.variable, kTombstones, TensorType::kU64, {rows.tombstones.size()}, rows.tombstones));
  }
  for (const EmbeddingRows& rows : contents.embeddings) {
    columns.push_back(MakeColumn(
        rows.variable, kValues, TensorType::kF32, {rows.keys.size(), rows.dim}, rows.values));
  }
  for (const DenseTensor& tensor : contents.dense) {
    columns.push_back(MakeColumn(tensor.variable,
                                 kDenseValues,
                                 TensorType::kF32,
                                 {tensor.shape.begin(), tensor.shape.end()},
                                 tensor.values));
  }
  for (const EmbeddingRows& rows : contents.embeddings) {
    const uint64_t count = rows.keys.size();
    if (rows.state_dim > 0) {
      columns.push_back(MakeColumn(
          rows.variable, kStates, TensorType::kF32, {count, rows.state_dim}, rows.states));
    }
    columns.push_back(
        MakeColumn(rows.variable, kFrequencies, TensorType::kU32, {count}, rows.frequencies));
    columns.push_back(
        MakeColumn(rows.variable, kLastUpdates, TensorType::kU32, {count}, rows.last_updates));
  }
  for (const DenseTensor& tensor : contents.dense) {
    if (!tensor.states.empty()) {
      columns.push_back(MakeColumn(
          tensor.variable, kDenseStates, TensorType::kF32, {tensor.states.size()}, tensor.states));
    }
  }
  return columns;
}

SafetensorsHeader HeaderOf(std::vector<Column>* columns) {
  SafetensorsHeader header;
  header.metadata[kFormatKey] = kFormat;
  uint64_t end = 0;
  for (Column& column : *columns) {
    column.info.begin = end;
    end += column.bytes.size();
    column.info.end = end;
    header.metadata[kChecksumPrefix + column.info.name] = Xxh3Hex(column.bytes);
    header.tensors.push_back(column.info);
  }
  return header;
}

Status WriteFile(FileSystem& files,
                 const std::string& path,
                 const std::string& header,
                 const std::vector<Column>& columns) {
  FRESHET_ASSIGN_OR_RETURN(const auto file, files.OpenWritable(path));
  FRESHET_RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(header))));
  for (const Column& column : columns) {
    if (!column.bytes.empty()) {
      FRESHET_RETURN_IF_ERROR(file->Append(column.bytes));
    }
  }
  return file->Sync();
}

}  // namespace

StatusOr<proto::PartFile> WritePart(FileSystem& files,
                                    const std::string& directory,
                                    const std::string& name,
                                    const PartContents& contents) {
  if (!IsPlainFileName(name)) {
    return InvalidArgument("'{}' is no name for a part", name);
  }
  const std::string path = directory + "/" + name;
  if (const Status status = Check(contents); !status.ok()) {
    return Annotate(status, path);
  }
  std::vector<Column> columns = ColumnsOf(contents);
  const StatusOr<std::string> header = SerializeSafetensorsHeader(HeaderOf(&columns));
  if (!header.ok()) {
    return Annotate(header.status(), path);
  }
  FRESHET_RETURN_IF_ERROR(WriteFile(files, path, *header, columns));
  proto::PartFile part;
  part.set_name(name);
  part.set_bytes(header->size() + (columns.empty() ? 0 : columns.back().info.end));
  part.set_header_xxh3(Xxh3Hex(*header));
  for (const EmbeddingRows& rows : contents.embeddings) {
    part.set_rows(part.rows() + rows.keys.size());
    part.set_tombstones(part.tombstones() + rows.tombstones.size());
  }
  return part;
}

}  // namespace freshet
