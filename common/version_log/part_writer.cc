#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/version_log/checksum.h"
#include "common/version_log/manifest_file.h"
#include "common/version_log/part_check.h"
#include "common/version_log/part_columns.h"
#include "common/version_log/part_file.h"
#include "common/version_log/part_layout.h"
#include "common/version_log/safetensors.h"
#include "common/version_log/zstd_part.h"

namespace freshet {
namespace {

SafetensorsHeader HeaderOf(const char* format, std::vector<PartColumn>* columns) {
  SafetensorsHeader header;
  header.metadata[part_columns::kFormatKey] = format;
  uint64_t end = 0;
  for (PartColumn& column : *columns) {
    column.info.begin = end;
    end += column.bytes.size();
    column.info.end = end;
    header.metadata[part_columns::kChecksumPrefix + column.info.name] = Xxh3Hex(column.bytes);
    header.tensors.push_back(column.info);
  }
  return header;
}

template <typename Writer>
Status WriteAll(Writer& writer, const std::string& header, const std::vector<PartColumn>& columns) {
  FRESHET_RETURN_IF_ERROR(writer.Append(std::as_bytes(std::span(header))));
  for (const PartColumn& column : columns) {
    if (!column.bytes.empty()) {
      FRESHET_RETURN_IF_ERROR(writer.Append(column.bytes));
    }
  }
  return absl::OkStatus();
}

// Sets what `part` says of the file's bytes.
Status WriteFile(FileSystem& files,
                 const std::string& path,
                 const std::string& header,
                 const std::vector<PartColumn>& columns,
                 proto::PartFile* part) {
  FRESHET_ASSIGN_OR_RETURN(const auto file, files.OpenWritable(path));
  const uint64_t plain_bytes = header.size() + (columns.empty() ? 0 : columns.back().info.end);
  part->set_bytes(plain_bytes);
  if (!IsZstdName(path)) {
    FRESHET_RETURN_IF_ERROR(WriteAll(*file, header, columns));
    return file->Sync();
  }
  ZstdWriter writer(*file);
  FRESHET_RETURN_IF_ERROR(WriteAll(writer, header, columns));
  FRESHET_RETURN_IF_ERROR(writer.Finish());
  part->set_bytes(writer.bytes());
  part->set_plain_bytes(plain_bytes);
  part->set_file_xxh3(writer.xxh3());
  return file->Sync();
}

// What is not to blame on the disk.
StatusOr<PartLayout> CheckedLayout(const PartContents& contents) {
  FRESHET_RETURN_IF_ERROR(CheckPart(contents));
  return PartLayout::Make(contents);
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
  StatusOr<PartLayout> layout = CheckedLayout(contents);
  if (!layout.ok()) {
    return Annotate(layout.status(), path);
  }
  const char* const format = layout->format();
  std::vector<PartColumn> columns = (*std::move(layout)).TakeColumns();
  const StatusOr<std::string> header = SerializeSafetensorsHeader(HeaderOf(format, &columns));
  if (!header.ok()) {
    return Annotate(header.status(), path);
  }
  proto::PartFile part;
  part.set_name(name);
  FRESHET_RETURN_IF_ERROR(WriteFile(files, path, *header, columns, &part));
  part.set_header_xxh3(Xxh3Hex(*header));
  part.set_dense_variables(static_cast<uint32_t>(contents.dense.size()));
  for (const EmbeddingRows& rows : contents.embeddings) {
    part.set_rows(part.rows() + rows.keys.size());
    part.set_tombstones(part.tombstones() + rows.tombstones.size());
  }
  return part;
}

}  // namespace freshet
