#include "freshetctl/export.h"

#include <fmt/format.h>

#include <functional>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/model/find_variable.h"
#include "freshetctl/format.h"
#include "freshetctl/log_lookup.h"
#include "freshetctl/sink.h"
#include "freshetctl/version_rows.h"

namespace freshet::freshetctl {
namespace {

using Rows = std::map<Key, VersionRow>;

// Numbers of one type that every row has.
struct Column {
  std::string file;             // of numpy's array, without .npy
  std::string name;             // in a CSV; of a matrix, _0, _1, ... follow
  std::string type;             // numpy's
  std::optional<size_t> width;  // of a matrix; none: one number a row
  // Appends the numbers of a row: as text, each after a separator, or as bytes.
  std::function<void(Key, const VersionRow&, char, std::string*)> print;
  std::function<void(Key, const VersionRow&, std::string*)> append;
};

// `get` returns the number at an index of a row.
template <typename Get>
Column MakeColumn(std::string file,
                  std::string name,
                  std::string type,
                  std::optional<size_t> width,
                  const Get& get) {
  const size_t count = width.value_or(1);
  Column column{.file = std::move(file),
                .name = std::move(name),
                .type = std::move(type),
                .width = width,
                .print = {},
                .append = {}};
  column.print = [count, get](Key key, const VersionRow& row, char before, std::string* text) {
    for (size_t i = 0; i < count; ++i) {
      text->push_back(before);
      fmt::format_to(std::back_inserter(*text), "{}", get(key, row, i));
    }
  };
  column.append = [count, get](Key key, const VersionRow& row, std::string* bytes) {
    for (size_t i = 0; i < count; ++i) {
      const auto number = get(key, row, i);
      bytes->append(reinterpret_cast<const char*>(&number), sizeof(number));
    }
  };
  return column;
}

Column KeyColumn() {
  return MakeColumn(
      "keys", "key", "<u8", {}, [](Key key, const VersionRow&, size_t) { return uint64_t{key}; });
}

Column ValueColumn(uint32_t dim) {
  return MakeColumn("values", "value", "<f4", dim, [](Key, const VersionRow& row, size_t i) {
    return row.values[i];
  });
}

Column StateColumn(size_t state_dim) {
  return MakeColumn("states", "state", "<f4", state_dim, [](Key, const VersionRow& row, size_t i) {
    return row.states[i];
  });
}

template <typename Get>
Column NumberColumn(const std::string& name, const std::string& type, const Get& get) {
  return MakeColumn(
      name, name, type, {}, [get](Key, const VersionRow& row, size_t) { return get(row); });
}

// All rows have what the first has: a log has one policy.
void AddMetadata(const Rows& rows, std::vector<Column>* columns) {
  columns->push_back(
      NumberColumn("frequency", "<u4", [](const auto& row) { return row.frequency; }));
  columns->push_back(
      NumberColumn("last_update", "<u4", [](const auto& row) { return row.last_update; }));
  if (!rows.empty() && rows.begin()->second.life) {
    columns->push_back(
        NumberColumn("shows", "<f4", [](const auto& row) { return row.life->shows; }));
    columns->push_back(
        NumberColumn("clicks", "<f4", [](const auto& row) { return row.life->clicks; }));
    columns->push_back(
        NumberColumn("last_step", "<u4", [](const auto& row) { return row.life->last_step; }));
    columns->push_back(
        NumberColumn("score_day", "<u2", [](const auto& row) { return row.life->score_day; }));
    columns->push_back(NumberColumn("slot", "<u2", [](const auto& row) { return row.life->slot; }));
  }
  if (!rows.empty() && rows.begin()->second.served) {
    columns->push_back(NumberColumn(
        "served", "|u1", [](const auto& row) { return static_cast<uint8_t>(*row.served); }));
  }
}

std::vector<Column> ColumnsOf(const Rows& rows, uint32_t dim, const ExportOptions& options) {
  std::vector<Column> columns = {KeyColumn(), ValueColumn(dim)};
  if (options.state) {
    columns.push_back(StateColumn(rows.empty() ? 0 : rows.begin()->second.states.size()));
  }
  if (options.metadata) {
    AddMetadata(rows, &columns);
  }
  return columns;
}

Status WriteFile(FileSystem& files,
                 const std::string& path,
                 const std::function<Status(Sink*)>& write) {
  FRESHET_ASSIGN_OR_RETURN(const auto file, files.OpenWritable(path));
  Sink sink([&](const std::string& text) { return file->Append(std::as_bytes(std::span(text))); });
  FRESHET_RETURN_IF_ERROR(write(&sink));
  FRESHET_RETURN_IF_ERROR(sink.Flush(0));
  return file->Sync();
}

// Each row after the other, its numbers apart by `separator`.
Status PrintRows(const Rows& rows, const std::vector<Column>& columns, char separator, Sink* sink) {
  std::string line;
  for (const auto& [key, row] : rows) {
    line.clear();
    for (const Column& column : columns) {
      column.print(key, row, separator, &line);
    }
    sink->text().append(line, 1);  // without the first separator
    sink->text().push_back('\n');
    FRESHET_RETURN_IF_ERROR(sink->Flush());
  }
  return absl::OkStatus();
}

Status WriteCsv(const Rows& rows, const std::vector<Column>& columns, Sink* sink) {
  std::vector<std::string> names;
  for (const Column& column : columns) {
    if (!column.width) {
      names.push_back(column.name);
      continue;
    }
    for (size_t i = 0; i < *column.width; ++i) {
      names.push_back(fmt::format("{}_{}", column.name, i));
    }
  }
  sink->Print("{}\n", fmt::join(names, ","));
  return PrintRows(rows, columns, ',', sink);
}

Status WriteText(const Rows& rows, const std::vector<Column>& columns, uint32_t dim, Sink* sink) {
  sink->Print("{} {}\n", rows.size(), dim);
  return PrintRows(rows, columns, ' ', sink);
}

// Format 1.0 of numpy/lib/format.py: magic, version, length of the header, a Python dictionary
// filled up with blanks so that the numbers begin at a multiple of 64.
Status WriteNpy(const Rows& rows, const Column& column, Sink* sink) {
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({},{}), }}",
                                   column.type,
                                   rows.size(),
                                   column.width ? fmt::format(" {}", *column.width) : "");
  constexpr size_t kBeforeHeader = 10;
  header.append(63 - (kBeforeHeader + header.size()) % 64, ' ');
  header.push_back('\n');
  const auto length = static_cast<uint16_t>(header.size());
  sink->text().append("\x93NUMPY\x01", 7);
  sink->text().push_back('\0');
  sink->text().append(reinterpret_cast<const char*>(&length), sizeof(length));
  sink->text().append(header);
  for (const auto& [key, row] : rows) {
    column.append(key, row, &sink->text());
    FRESHET_RETURN_IF_ERROR(sink->Flush());
  }
  return absl::OkStatus();
}

Status WriteFolder(FileSystem& files,
                   const std::string& folder,
                   const Rows& rows,
                   const std::vector<Column>& columns) {
  FRESHET_RETURN_IF_ERROR(files.CreateDirectories(folder));
  for (const Column& column : columns) {
    FRESHET_RETURN_IF_ERROR(WriteFile(files,
                                      fmt::format("{}/{}.npy", folder, column.file),
                                      [&](Sink* sink) { return WriteNpy(rows, column, sink); }));
  }
  return absl::OkStatus();
}

Status Write(FileSystem& files,
             const std::string& path,
             const Rows& rows,
             uint32_t dim,
             const ExportOptions& options) {
  const std::vector<Column> columns = ColumnsOf(rows, dim, options);
  switch (options.format) {
    case ExportFormat::kNpy:
      return WriteFolder(files, path, rows, columns);
    case ExportFormat::kCsv:
      return WriteFile(files, path, [&](Sink* sink) { return WriteCsv(rows, columns, sink); });
    case ExportFormat::kText:
      return WriteFile(
          files, path, [&](Sink* sink) { return WriteText(rows, columns, dim, sink); });
  }
  return absl::OkStatus();
}

// A folder is not replaced: a file of an earlier export would stay in it.
Status CheckOutput(FileSystem& files, const ExportOptions& options) {
  const StatusOr<FileInfo> there = files.Stat(options.output);
  if (absl::IsNotFound(there.status())) {
    return absl::OkStatus();
  }
  FRESHET_RETURN_IF_ERROR(there.status());
  if (options.format == ExportFormat::kNpy || there->is_directory) {
    return AlreadyExists("{} is there already: name a new one, or remove it", options.output);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<ExportFormat> ParseExportFormat(const std::string& name) {
  if (name == "csv") {
    return ExportFormat::kCsv;
  }
  if (name == "npy") {
    return ExportFormat::kNpy;
  }
  if (name == "text") {
    return ExportFormat::kText;
  }
  return InvalidArgument("'{}' is no format: csv, npy or text", name);
}

Outcome Export(const Context& context,
               const std::string& log_directory,
               const ExportOptions& options) {
  if (options.format == ExportFormat::kText && (options.state || options.metadata)) {
    return Outcome::Usage(
        "text holds keys and values alone; --state and --metadata need csv or npy");
  }
  FileSystem& files = context.env.files;
  FRESHET_RETURN_IF_ERROR(CheckLogDirectory(files, log_directory));
  FRESHET_RETURN_IF_ERROR(CheckOutput(files, options));
  const VersionLog log(files, log_directory);
  FRESHET_ASSIGN_OR_RETURN(const VersionId version, AskedOrNewest(log, options.version));
  FRESHET_ASSIGN_OR_RETURN(const proto::Manifest manifest, log.ReadManifest(version));
  FRESHET_ASSIGN_OR_RETURN(const uint32_t variable,
                           FindEmbeddingVariable(manifest.model(), options.variable));
  const uint32_t dim = manifest.model().embedding_variables(static_cast<int>(variable)).dim();
  FRESHET_ASSIGN_OR_RETURN(VersionModel model, ReadVersion(files, log, version, options.variable));
  const Rows& rows = model.embeddings[options.variable].rows;
  const std::string unfinished = options.output + ".unfinished";
  FRESHET_RETURN_IF_ERROR(files.RemoveAll(unfinished));
  Status written = Write(files, unfinished, rows, dim, options);
  if (written.ok()) {
    written = files.Rename(unfinished, options.output);
  }
  if (!written.ok()) {
    (void)files.RemoveAll(unfinished);
    return written;
  }
  context.out << fmt::format("{} rows of '{}' as of version {} are in {}\n",
                             Count(rows.size()),
                             options.variable,
                             version.value(),
                             options.output);
  return {};
}

}  // namespace freshet::freshetctl
