#include "tests/common/version_log/crash_file_system.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "common/check.h"

namespace freshet::test {

struct CrashFileSystem::Node {
  Node(std::shared_ptr<Inodes> its_inodes, uint64_t its_inode)
      : inodes(std::move(its_inodes)), inode(its_inode) {}

  ~Node() { inodes->free.push_back(inode); }

  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const std::shared_ptr<Inodes> inodes;
  const uint64_t inode;
  int64_t modified_ns = 0;
  bool is_directory = false;
  std::string bytes;
  std::string synced_bytes;
  Entries entries;
  Entries synced_entries;
};

class CrashFileSystem::Writer final : public WritableFile {
 public:
  Writer(CrashFileSystem& files, std::shared_ptr<Node> node)
      : files_(files), node_(std::move(node)) {}

  Status Append(std::span<const std::byte> bytes) override {
    const Status status = files_.Change("append");
    const size_t written = status.ok() ? bytes.size() : bytes.size() / 2;
    node_->bytes.append(reinterpret_cast<const char*>(bytes.data()), written);
    node_->modified_ns = files_.now_ns;
    return status;
  }

  Status Sync() override {
    FRESHET_RETURN_IF_ERROR(files_.Change("sync"));
    node_->synced_bytes = node_->bytes;
    return absl::OkStatus();
  }

 private:
  CrashFileSystem& files_;
  const std::shared_ptr<Node> node_;
};

class CrashFileSystem::Reader final : public ReadableFile {
 public:
  explicit Reader(std::shared_ptr<Node> node) : node_(std::move(node)) {}

  StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> into) const override {
    const std::string& bytes = node_->bytes;
    const size_t count = offset < bytes.size() ? std::min(into.size(), bytes.size() - offset) : 0;
    if (count > 0) {
      std::memcpy(into.data(), bytes.data() + offset, count);
    }
    return count;
  }

 private:
  const std::shared_ptr<Node> node_;
};

CrashFileSystem::CrashFileSystem() : root_(MakeNode()) {
  root_->is_directory = true;
}

CrashFileSystem::~CrashFileSystem() = default;

Status CrashFileSystem::Change(const std::string& what) {
  const uint64_t operation = operations_++;
  return operation < fail_from_ ? absl::OkStatus()
                                : Unavailable("{} is operation {}, made to fail", what, operation);
}

std::shared_ptr<CrashFileSystem::Node> CrashFileSystem::MakeNode() {
  uint64_t inode = 0;
  if (reuses_inodes && !inodes_->free.empty()) {
    inode = inodes_->free.back();
    inodes_->free.pop_back();
  } else {
    inode = ++inodes_->last;
  }
  return std::make_shared<Node>(inodes_, inode);
}

std::shared_ptr<CrashFileSystem::Node> CrashFileSystem::Find(const std::string& path) const {
  std::shared_ptr<Node> node = root_;
  for (const std::filesystem::path& name : std::filesystem::path(path).relative_path()) {
    if (name.empty()) {
      continue;
    }
    const auto entry = node->entries.find(name.string());
    if (entry == node->entries.end()) {
      return nullptr;
    }
    node = entry->second;
  }
  return node;
}

StatusOr<std::shared_ptr<CrashFileSystem::Node>> CrashFileSystem::FindDirectory(
    const std::string& path) const {
  std::shared_ptr<Node> node = Find(path);
  if (node == nullptr) {
    return NotFound("no directory {}", path);
  }
  if (!node->is_directory) {
    return FailedPrecondition("{} is no directory", path);
  }
  return node;
}

std::string& CrashFileSystem::Bytes(const std::string& path) {
  const std::shared_ptr<Node> node = Find(path);
  FRESHET_CHECK(node != nullptr && !node->is_directory);
  return node->bytes;
}

void CrashFileSystem::Append(const std::string& path, const std::string& bytes) {
  if (Find(path) == nullptr) {
    FRESHET_CHECK(OpenWritable(path).ok());
  }
  const std::shared_ptr<Node> node = Find(path);
  node->bytes += bytes;
  node->modified_ns = now_ns;
}

StatusOr<std::unique_ptr<WritableFile>> CrashFileSystem::OpenWritable(const std::string& path) {
  FRESHET_RETURN_IF_ERROR(Change("create " + path));
  const std::filesystem::path name(path);
  FRESHET_ASSIGN_OR_RETURN(const auto parent, FindDirectory(name.parent_path().string()));
  std::shared_ptr<Node>& node = parent->entries[name.filename().string()];
  if (node == nullptr) {
    node = MakeNode();
  }
  node->bytes.clear();
  node->modified_ns = now_ns;
  return std::make_unique<Writer>(*this, node);
}

StatusOr<std::unique_ptr<ReadableFile>> CrashFileSystem::OpenReadable(const std::string& path) {
  std::shared_ptr<Node> node = Find(path);
  if (node == nullptr || node->is_directory) {
    return NotFound("no file {}", path);
  }
  return std::make_unique<Reader>(std::move(node));
}

StatusOr<FileInfo> CrashFileSystem::Stat(const std::string& path) {
  const std::shared_ptr<Node> node = Find(path);
  if (node == nullptr) {
    return NotFound("nothing is at {}", path);
  }
  return FileInfo{.bytes = node->bytes.size(),
                  .inode = node->inode,
                  .is_directory = node->is_directory,
                  .modified_ns = node->modified_ns};
}

StatusOr<std::vector<std::string>> CrashFileSystem::List(const std::string& directory) {
  FRESHET_ASSIGN_OR_RETURN(const auto node, FindDirectory(directory));
  std::vector<std::string> names;
  for (const auto& entry : node->entries) {
    names.push_back(entry.first);
  }
  return names;
}

Status CrashFileSystem::CreateDirectories(const std::string& directory) {
  FRESHET_RETURN_IF_ERROR(Change("create directory " + directory));
  std::shared_ptr<Node> node = root_;
  for (const std::filesystem::path& name : std::filesystem::path(directory).relative_path()) {
    std::shared_ptr<Node>& child = node->entries[name.string()];
    if (child == nullptr) {
      child = MakeNode();
      child->is_directory = true;
    }
    node = std::shared_ptr<Node>(child);
  }
  return absl::OkStatus();
}

Status CrashFileSystem::Rename(const std::string& from, const std::string& to) {
  FRESHET_RETURN_IF_ERROR(Change("rename " + from));
  const std::filesystem::path source(from);
  const std::filesystem::path target(to);
  FRESHET_ASSIGN_OR_RETURN(const auto source_parent, FindDirectory(source.parent_path().string()));
  FRESHET_ASSIGN_OR_RETURN(const auto target_parent, FindDirectory(target.parent_path().string()));
  const auto node = source_parent->entries.extract(source.filename().string());
  if (node.empty()) {
    return NotFound("no file {}", from);
  }
  target_parent->entries[target.filename().string()] = node.mapped();
  return absl::OkStatus();
}

Status CrashFileSystem::RemoveAll(const std::string& path) {
  FRESHET_RETURN_IF_ERROR(Change("remove " + path));
  const std::filesystem::path name(path);
  const std::shared_ptr<Node> parent = Find(name.parent_path().string());
  if (parent != nullptr) {
    parent->entries.erase(name.filename().string());
  }
  return absl::OkStatus();
}

Status CrashFileSystem::SyncFile(const std::string& path) {
  FRESHET_RETURN_IF_ERROR(Change("sync " + path));
  const std::shared_ptr<Node> node = Find(path);
  if (node == nullptr) {
    return NotFound("no file {}", path);
  }
  node->synced_bytes = node->bytes;
  return absl::OkStatus();
}

Status CrashFileSystem::SyncDirectory(const std::string& directory) {
  FRESHET_RETURN_IF_ERROR(Change("sync " + directory));
  FRESHET_ASSIGN_OR_RETURN(const auto node, FindDirectory(directory));
  node->synced_entries = node->entries;
  return absl::OkStatus();
}

void CrashFileSystem::Crash(std::mt19937_64& random) {
  Crash(*root_, random);
  fail_from_ = std::numeric_limits<uint64_t>::max();
}

void CrashFileSystem::Crash(Node& node, std::mt19937_64& random) {
  if (node.bytes != node.synced_bytes) {
    const bool keeps_old = random() % 2 == 0;
    const size_t safe = node.bytes.starts_with(node.synced_bytes) ? node.synced_bytes.size() : 0;
    node.bytes = keeps_old ? node.synced_bytes
                           : node.bytes.substr(0, safe + random() % (node.bytes.size() - safe + 1));
    node.synced_bytes = node.bytes;
  }
  std::set<std::string> names;
  for (const Entries* entries : {&node.entries, &node.synced_entries}) {
    for (const auto& entry : *entries) {
      names.insert(entry.first);
    }
  }
  Entries survived;
  for (const std::string& name : names) {
    const Entries& from = random() % 2 == 0 ? node.entries : node.synced_entries;
    if (const auto entry = from.find(name); entry != from.end()) {
      survived.insert(*entry);
      Crash(*entry->second, random);
    }
  }
  node.entries = survived;
  node.synced_entries = survived;
}

}  // namespace freshet::test
