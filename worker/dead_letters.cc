#include "worker/dead_letters.h"

#include <charconv>
#include <span>
#include <utility>

namespace freshet::worker {
namespace {

constexpr std::string_view kOffsetKey = R"(,"offset":)";

// Any bytes, so that the line is JSON, and shows which bytes they were.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      quoted += '\\';
      quoted += letter;
    } else if (byte < 0x20 || byte > 0x7e) {
      quoted += fmt::format("\\u{:04x}", byte);
    } else {
      quoted += letter;
    }
  }
  return quoted + "\"";
}

// Where the record of a line begins; nothing if the line was cut off.
bool ReadOffset(std::string_view line, uint64_t* offset) {
  const size_t at = line.find(kOffsetKey);
  if (at == std::string_view::npos || line.back() != '}') {
    return false;
  }
  const char* const begin = line.data() + at + kOffsetKey.size();
  return std::from_chars(begin, line.data() + line.size(), *offset).ec == std::errc();
}

// The lines of records before `offset`.
std::string KeptLines(std::string_view content, uint64_t offset) {
  std::string kept;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = content.find('\n', begin);
    if (end == std::string_view::npos) {
      break;
    }
    const std::string_view line = content.substr(begin, end - begin);
    begin = end + 1;
    uint64_t of_line = 0;
    if (!line.empty() && ReadOffset(line, &of_line) && of_line < offset) {
      kept.append(line).append("\n");
    }
  }
  return kept;
}

}  // namespace

DeadLetters::DeadLetters(std::string partition, std::unique_ptr<WritableFile> file, uint64_t bytes)
    : partition_(std::move(partition)), file_(std::move(file)), bytes_(bytes) {}

StatusOr<std::unique_ptr<DeadLetters>> DeadLetters::Open(FileSystem& files,
                                                         const std::string& folder,
                                                         const std::string& partition,
                                                         uint64_t offset) {
  FRESHET_RETURN_IF_ERROR(files.CreateDirectories(folder));
  const std::string path = folder + "/" + partition + ".jsonl";
  std::string kept;
  if (offset > 0) {
    const StatusOr<std::string> content = ReadFile(files, path, 2 * kMaxFileBytes);
    if (content.ok()) {
      kept = KeptLines(*content, offset);
    } else if (!absl::IsNotFound(content.status())) {
      return content.status();
    }
  }
  FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, files.OpenWritable(path));
  FRESHET_RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(kept))));
  return std::unique_ptr<DeadLetters>(new DeadLetters(partition, std::move(file), kept.size()));
}

Status DeadLetters::Add(uint64_t offset, std::string_view reason, std::string_view record) {
  if (bytes_ >= kMaxFileBytes) {
    return absl::OkStatus();
  }
  const std::string line = fmt::format(R"({{"partition":{}{}{},"reason":{},"record":{}}})"
                                       "\n",
                                       Quoted(partition_),
                                       kOffsetKey,
                                       offset,
                                       Quoted(reason),
                                       Quoted(record.substr(0, kMaxRecordBytes)));
  bytes_ += line.size();
  return file_->Append(std::as_bytes(std::span(line)));
}

}  // namespace freshet::worker
