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

Status WriteFile(FileSystem& files,
                 const std::string& path,
                 const std::string& header,
                 const std::vector<PartColumn>& columns) {
  FRESHET_ASSIGN_OR_RETURN(const auto file, files.OpenWritable(path));
  FRESHET_RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(header))));
  for (const PartColumn& column : columns) {
    if (!column.bytes.empty()) {
      FRESHET_RETURN_IF_ERROR(file->Append(column.bytes));
    }
  }
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
