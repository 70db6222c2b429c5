#include <filesystem>
#include <string>
#include <utility>

#include "common/stream/line_reader.h"
#include "common/stream/message_reader.h"
#include "common/stream/partition_name.h"
#include "common/stream/stream.h"
#include "common/utf8.h"

namespace freshet {
namespace {

// Bytes beyond ASCII as \xff.
std::string Escaped(std::string_view name) {
  std::string escaped;
  for (const char letter : name) {
    const auto byte = static_cast<unsigned char>(letter);
    escaped += byte < 0x80 ? std::string(1, letter) : fmt::format("\\x{:02x}", byte);
  }
  return escaped;
}

class FileStream final : public Stream {
 public:
  FileStream(FileSystem& files, Clock& clock, FileStreamOptions options)
      : files_(files), clock_(clock), options_(std::move(options)) {}

  StatusOr<std::vector<std::string>> Partitions() override {
    FRESHET_ASSIGN_OR_RETURN(const bool is_directory, IsDirectory());
    if (!is_directory) {
      return std::vector<std::string>{std::filesystem::path(options_.path).filename().string()};
    }
    FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(options_.path));
    std::vector<std::string> partitions;
    for (const std::string& name : names) {
      if (!IsPartitionName(name, options_.suffix)) {
        continue;
      }
      if (!IsUtf8(name)) {
        return InvalidArgument(
            "{} holds a file whose name is not UTF-8, {}: rename it", options_.path, Escaped(name));
      }
      const auto info = files_.Stat(options_.path + "/" + name);
      if (info.ok() && !info->is_directory) {
        partitions.push_back(name);
      } else if (!info.ok() && !absl::IsNotFound(info.status())) {
        return info.status();
      }
    }
    return partitions;
  }

  StatusOr<bool> Complete() override {
    if (!options_.follow) {
      return true;
    }
    FRESHET_ASSIGN_OR_RETURN(const bool is_directory, IsDirectory());
    const auto marker = files_.Stat(Folder(is_directory) + kStreamCompleteName);
    if (!marker.ok() && !absl::IsNotFound(marker.status())) {
      return marker.status();
    }
    return marker.ok();
  }

  StatusOr<std::unique_ptr<PartitionReader>> Open(const std::string& partition,
                                                  uint64_t offset) override {
    FRESHET_ASSIGN_OR_RETURN(const bool is_directory, IsDirectory());
    const std::string folder = Folder(is_directory);
    const std::string own_name = std::filesystem::path(options_.path).filename().string();
    if (is_directory ? !IsPartitionName(partition, options_.suffix) : partition != own_name) {
      return InvalidArgument("{} has no partition '{}'", options_.path, partition);
    }
    return options_.framing == FileStreamOptions::Framing::kLines
               ? OpenReader<LineReader>(folder, partition, offset)
               : OpenReader<MessageReader>(folder, partition, offset);
  }

 private:
  template <typename Reader>
  StatusOr<std::unique_ptr<PartitionReader>> OpenReader(const std::string& folder,
                                                        const std::string& partition,
                                                        uint64_t offset) {
    auto reader = std::make_unique<Reader>(
        files_, clock_, options_, folder + partition, folder + kStreamCompleteName);
    FRESHET_RETURN_IF_ERROR(reader->Open(offset));
    return reader;
  }

  StatusOr<bool> IsDirectory() const {
    const auto info = files_.Stat(options_.path);
    if (!info.ok()) {
      return Annotate(info.status(), "sample stream");
    }
    return info->is_directory;
  }

  // The folder that holds the partitions, with the slash.
  std::string Folder(bool is_directory) const {
    if (is_directory) {
      return options_.path + "/";
    }
    const std::string parent = std::filesystem::path(options_.path).parent_path().string();
    return parent.empty() ? "" : parent + "/";
  }

  FileSystem& files_;
  Clock& clock_;
  const FileStreamOptions options_;
};

}  // namespace

std::unique_ptr<Stream> MakeFileStream(FileSystem& files,
                                       Clock& clock,
                                       const FileStreamOptions& options) {
  return std::make_unique<FileStream>(files, clock, options);
}

}  // namespace freshet
