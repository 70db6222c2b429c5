#include "common/version_log/version_log.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/mutant.h"
#include "common/read_ahead.h"
#include "common/version_log/manifest_file.h"

namespace freshet {
namespace {

constexpr char kManifestName[] = "manifest.json";
constexpr char kRetiredName[] = "manifest.retired";
constexpr char kBaseName[] = "base.json";
constexpr char kPinsName[] = "pins";
constexpr size_t kMaxNoteBytes = 4096;
constexpr uint64_t kMaxManifestBytes = 256U << 20U;

std::string FolderName(VersionId version) {
  return fmt::format("{:012}", version.value());
}

// Nothing if `name` is no folder of ours.
std::optional<VersionId> VersionOfFolder(const std::string& name) {
  constexpr size_t kMaxDigits = 19;  // any such number fits into 64 bits
  if (name.empty() || name.size() > kMaxDigits ||
      name.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  const VersionId version(std::stoull(name));
  if (version.value() == 0 || FolderName(version) != name) {
    return std::nullopt;
  }
  return version;
}

// Every name in `directory` that is a version's, ascending.
StatusOr<std::vector<VersionId>> Folders(FileSystem& files, const std::string& directory) {
  const StatusOr<std::vector<std::string>> names = files.List(directory);
  if (absl::IsNotFound(names.status())) {
    return std::vector<VersionId>();
  }
  if (!names.ok()) {
    return names.status();
  }
  std::vector<VersionId> versions;
  for (const std::string& name : *names) {
    if (const std::optional<VersionId> version = VersionOfFolder(name)) {
      versions.push_back(*version);
    }
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

StatusOr<bool> Exists(FileSystem& files, const std::string& path) {
  const StatusOr<FileInfo> info = files.Stat(path);
  if (info.ok()) {
    return true;
  }
  return absl::IsNotFound(info.status()) ? StatusOr<bool>(false) : info.status();
}

Status CheckPartsThere(FileSystem& files,
                       const std::string& folder,
                       const proto::Manifest& manifest) {
  for (const proto::PartFile& part : manifest.parts()) {
    FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(folder + "/" + part.name()));
    if (info.bytes != part.bytes()) {
      return FailedPrecondition("part {}/{} has {} bytes, its server wrote {}",
                                folder,
                                part.name(),
                                info.bytes,
                                part.bytes());
    }
  }
  return absl::OkStatus();
}

}  // namespace

VersionLog::VersionLog(FileSystem& files, std::string directory)
    : files_(files), directory_(std::move(directory)) {}

std::string VersionLog::VersionDirectory(VersionId version) const {
  return directory_ + "/" + FolderName(version);
}

std::string VersionLog::ManifestPath(VersionId version) const {
  return VersionDirectory(version) + "/" + kManifestName;
}

std::string VersionLog::BasePath(VersionId version) const {
  return VersionDirectory(version) + "/" + kBaseName;
}

StatusOr<bool> VersionLog::IsCommitted(VersionId version) const {
  return Exists(files_, ManifestPath(version));
}

Status VersionLog::MakeFolder(VersionId version) {
  // A log that lies in new directories is lost with them, unless their names are on disk too.
  FRESHET_RETURN_IF_ERROR(CreateDirectoriesDurably(files_, directory_));
  return files_.CreateDirectories(VersionDirectory(version));
}

Status VersionLog::Prepare(VersionId version) {
  if (version.value() == 0) {
    return InvalidArgument("versions are numbered from 1");
  }
  FRESHET_ASSIGN_OR_RETURN(const bool committed, IsCommitted(version));
  if (committed) {
    return AlreadyExists("{}: version {} is committed", directory_, version.value());
  }
  FRESHET_RETURN_IF_ERROR(files_.RemoveAll(VersionDirectory(version)));
  FRESHET_RETURN_IF_ERROR(MakeFolder(version));
  return files_.SyncDirectory(directory_);
}

Status VersionLog::Commit(const proto::Manifest& manifest) {
  const VersionId version(manifest.version());
  FRESHET_RETURN_IF_ERROR(CheckManifest(manifest));
  FRESHET_ASSIGN_OR_RETURN(const bool committed, IsCommitted(version));
  if (committed) {
    return AlreadyExists("{}: version {} is committed", directory_, version.value());
  }
  FRESHET_RETURN_IF_ERROR(MakeFolder(version));
  return CommitAt(ManifestPath(version), manifest);
}

Status VersionLog::CommitBase(const proto::Manifest& base) {
  const VersionId version(base.version());
  FRESHET_ASSIGN_OR_RETURN(const proto::Manifest manifest, ReadManifest(version));
  if (manifest.kind() != proto::Manifest::DELTA || base.kind() != proto::Manifest::BASE) {
    return FailedPrecondition("{}: version {} is a {}, and cannot become a {}",
                              directory_,
                              version.value(),
                              proto::Manifest::Kind_Name(manifest.kind()),
                              proto::Manifest::Kind_Name(base.kind()));
  }
  return CommitAt(BasePath(version), base);
}

Status VersionLog::CommitAt(const std::string& path, const proto::Manifest& manifest) {
  FRESHET_ASSIGN_OR_RETURN(const std::string content, SerializeManifest(manifest));
  const std::string folder = VersionDirectory(VersionId(manifest.version()));
  FRESHET_RETURN_IF_ERROR(CheckPartsThere(files_, folder, manifest));
  // The names of the parts, and of the folder, are on disk before the manifest can be.
  FRESHET_RETURN_IF_ERROR(files_.SyncDirectory(folder));
  FRESHET_RETURN_IF_ERROR(files_.SyncDirectory(directory_));
  return WriteFileAtomically(files_, path, content);
}

StatusOr<std::vector<VersionId>> VersionLog::List() const {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> folders, Folders(files_, directory_));
  std::vector<VersionId> versions;
  for (const VersionId version : folders) {
    FRESHET_ASSIGN_OR_RETURN(const bool committed, IsCommitted(version));
    if (committed) {
      versions.push_back(version);
    }
  }
  return versions;
}

StatusOr<VersionId> VersionLog::Newest() const {
  FRESHET_ASSIGN_OR_RETURN(std::vector<VersionId> folders, Folders(files_, directory_));
  for (; !folders.empty(); folders.pop_back()) {
    FRESHET_ASSIGN_OR_RETURN(const bool committed, IsCommitted(folders.back()));
    if (committed) {
      return folders.back();
    }
  }
  return VersionId(0);
}

StatusOr<VersionId> VersionLog::LargestUsed() const {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> folders, Folders(files_, directory_));
  return folders.empty() ? VersionId(0) : folders.back();
}

StatusOr<proto::Manifest> VersionLog::ReadManifest(VersionId version) const {
  FRESHET_ASSIGN_OR_RETURN(const bool committed, IsCommitted(version));
  if (!committed) {
    return NotFound("{}: there is no version {}", directory_, version.value());
  }
  return ReadManifestAt(ManifestPath(version), version);
}

StatusOr<proto::Manifest> VersionLog::ReadBase(VersionId version) const {
  const std::string path = BasePath(version);
  FRESHET_ASSIGN_OR_RETURN(const bool exists, Exists(files_, path));
  if (!exists) {
    return NotFound("{}: version {} has no base of its own", directory_, version.value());
  }
  FRESHET_ASSIGN_OR_RETURN(proto::Manifest base, ReadManifestAt(path, version));
  if (base.kind() != proto::Manifest::BASE) {
    return DataLoss("{} is of kind {}", path, proto::Manifest::Kind_Name(base.kind()));
  }
  return base;
}

StatusOr<proto::Manifest> VersionLog::ReadManifestAt(const std::string& path,
                                                     VersionId version) const {
  FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files_.Stat(path));
  if (info.bytes > kMaxManifestBytes) {
    return DataLoss(
        "{} is no manifest: {} bytes, where at most {} are", path, info.bytes, kMaxManifestBytes);
  }
  FRESHET_ASSIGN_OR_RETURN(const std::string content, ReadFile(files_, path, kMaxManifestBytes));
  return ParseManifest(path, content, version);
}

StatusOr<std::vector<proto::Manifest>> VersionLog::Chain(VersionId version) const {
  std::vector<proto::Manifest> chain;
  // Ends: a manifest whose parent is not smaller than itself is refused.
  VersionId next = version;
  while (next.value() != 0) {
    StatusOr<proto::Manifest> manifest = ReadManifest(next);
    if (!manifest.ok()) {
      if (next == version) {
        return manifest.status();
      }
      return DataLoss("version {} needs version {}, which cannot be read: {}",
                      version.value(),
                      next.value(),
                      MessageOf(manifest.status()));
    }
    if (manifest->kind() == proto::Manifest::DELTA && manifest->parent() != 0) {
      StatusOr<proto::Manifest> base = ReadBase(next);
      if (base.ok()) {
        manifest = std::move(base);
      } else if (!absl::IsNotFound(base.status()) && !absl::IsDataLoss(base.status())) {
        return base.status();
      }
    }
    next = VersionId(manifest->kind() == proto::Manifest::BASE ? 0 : manifest->parent());
    if (manifest->kind() != proto::Manifest::ROLLBACK) {
      chain.push_back(*std::move(manifest));
    }
  }
  std::reverse(chain.begin(), chain.end());
  if (Mutant("log_loses_a_delta") && chain.size() > 3) {
    chain.erase(chain.begin() + 2);
  }
  return chain;
}

Status VersionLog::Retire(VersionId version) {
  const std::string folder = VersionDirectory(version);
  FRESHET_RETURN_IF_ERROR(files_.Rename(ManifestPath(version), folder + "/" + kRetiredName));
  return files_.SyncDirectory(folder);
}

Status VersionLog::Restore(VersionId version) {
  const std::string folder = VersionDirectory(version);
  FRESHET_RETURN_IF_ERROR(files_.Rename(folder + "/" + kRetiredName, ManifestPath(version)));
  return files_.SyncDirectory(folder);
}

Status VersionLog::RemoveFolder(VersionId version) {
  FRESHET_ASSIGN_OR_RETURN(const bool committed, IsCommitted(version));
  if (committed) {
    return FailedPrecondition("{}: version {} is committed", directory_, version.value());
  }
  return files_.RemoveAll(VersionDirectory(version));
}

std::string VersionLog::PinPath(VersionId version) const {
  return fmt::format("{}/{}/{}", directory_, kPinsName, FolderName(version));
}

// The pin stands before the version is looked for, and whoever retires a version looks for pins
// afterwards: one of the two sees the other.
Status VersionLog::Pin(VersionId version, const std::string& note) {
  if (note.size() > kMaxNoteBytes || note.find('\n') != std::string::npos) {
    return InvalidArgument("a note is one line of at most {} bytes", kMaxNoteBytes);
  }
  FRESHET_RETURN_IF_ERROR(ReadManifest(version).status());
  FRESHET_RETURN_IF_ERROR(files_.CreateDirectories(directory_ + "/" + kPinsName));
  FRESHET_RETURN_IF_ERROR(files_.SyncDirectory(directory_));
  FRESHET_RETURN_IF_ERROR(WriteFileAtomically(files_, PinPath(version), note + "\n"));
  FRESHET_ASSIGN_OR_RETURN(const bool committed, IsCommitted(version));
  if (!committed) {
    FRESHET_RETURN_IF_ERROR(files_.RemoveAll(PinPath(version)));
    return NotFound("{}: version {} has just been removed", directory_, version.value());
  }
  return absl::OkStatus();
}

Status VersionLog::Unpin(VersionId version) {
  FRESHET_ASSIGN_OR_RETURN(const bool pinned, Exists(files_, PinPath(version)));
  if (!pinned) {
    return NotFound("{}: version {} is not pinned", directory_, version.value());
  }
  FRESHET_RETURN_IF_ERROR(files_.RemoveAll(PinPath(version)));
  return files_.SyncDirectory(directory_ + "/" + kPinsName);
}

StatusOr<std::map<VersionId, std::string>> VersionLog::Pins() const {
  std::map<VersionId, std::string> pins;
  FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> pinned,
                           Folders(files_, directory_ + "/" + kPinsName));
  for (const VersionId version : pinned) {
    StatusOr<std::string> note = ReadFile(files_, PinPath(version), kMaxNoteBytes + 1);
    // A pin counts, whatever is in it.
    pins[version] = note.ok() ? note->substr(0, note->find('\n')) : "";
  }
  return pins;
}

Status VersionLog::Verify(VersionId version) const {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<proto::Manifest> chain, Chain(version));
  for (const proto::Manifest& manifest : chain) {
    FRESHET_RETURN_IF_ERROR(VerifyParts(manifest));
  }
  return absl::OkStatus();
}

Status VersionLog::VerifyParts(const proto::Manifest& manifest) const {
  const std::string folder = VersionDirectory(VersionId(manifest.version()));
  for (const proto::PartFile& part : manifest.parts()) {
    FRESHET_RETURN_IF_ERROR(VerifyPart(files_, folder, part));
  }
  return absl::OkStatus();
}

Status ForEachPart(FileSystem& files,
                   const VersionLog& log,
                   VersionId version,
                   PartColumns columns,
                   const std::function<Status(const proto::Manifest&, PartContents)>& apply) {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<proto::Manifest> chain, log.Chain(version));
  return ForEachPart(files, log, chain, PartSelection{.columns = columns}, apply);
}

Status ForEachPart(FileSystem& files,
                   const VersionLog& log,
                   const std::vector<proto::Manifest>& chain,
                   const PartSelection& selection,
                   const std::function<Status(const proto::Manifest&, PartContents)>& apply) {
  std::vector<std::pair<const proto::Manifest*, const proto::PartFile*>> parts;
  for (const proto::Manifest& manifest : chain) {
    for (const proto::PartFile& part : manifest.parts()) {
      if (selection.wants == nullptr || selection.wants(manifest, part)) {
        parts.emplace_back(&manifest, &part);
      }
    }
  }
  return ReadAhead<PartContents>(
      parts.size(),
      [&](size_t i) {
        const auto& [manifest, part] = parts[i];
        return ReadPart(files,
                        log.VersionDirectory(VersionId(manifest->version())),
                        *part,
                        selection.columns,
                        selection.only);
      },
      [&](size_t i, PartContents contents) { return apply(*parts[i].first, std::move(contents)); });
}

}  // namespace freshet
