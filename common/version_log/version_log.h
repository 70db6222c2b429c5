#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/env/file_system.h"
#include "common/ids.h"
#include "common/status.h"
#include "common/version_log/part_file.h"
#include "proto/manifest.pb.h"

namespace freshet {

// The log of versions in a directory, one folder a version:
//
//   <directory>/000000000042/part-0-0.safetensors ...   written first
//   <directory>/000000000042/manifest.json              renamed into place last: the commit
//   <directory>/000000000042/base-...                   later, of some deltas: what they and all
//   <directory>/000000000042/base.json                  that they add to have become as a base
//
// Pins are files beside the folders, in <directory>/pins.
// A folder without manifest.json is no version. The newest version is the model of today; a
// rollback is a version too (proto/manifest.proto). docs/formats/version-log.md has the details.
// One writer (the coordinator) and any readers, also in other processes. Thread-safety: any thread.
class VersionLog {
 public:
  // `files` outlives the log.
  VersionLog(FileSystem& files, std::string directory);

  const std::string& directory() const { return directory_; }

  std::string VersionDirectory(VersionId version) const;

  // Makes an empty folder for the parts of `version`, throwing away what a failed cut left in it.
  // AlreadyExists if the version is committed.
  Status Prepare(VersionId version);

  // The atomic step. Checks that every part is there with its size. Syncs the part folder first.
  // Sets `format` itself. After any error but InvalidArgument, FailedPrecondition, NotFound and
  // AlreadyExists the version may or may not be committed: ask ReadManifest.
  Status Commit(const proto::Manifest& manifest);

  // Gives a delta that was committed a base of its own, so that loading it needs no other version:
  // `base` is its manifest, but for kind BASE and the parts, which lie in its folder and are
  // synced. The manifest of the version stays as it is. Atomic, and checked, as Commit is.
  // FailedPrecondition: the version is no delta.
  Status CommitBase(const proto::Manifest& base);

  // What CommitBase wrote. NotFound: nothing. Other errors as those of ReadManifest.
  StatusOr<proto::Manifest> ReadBase(VersionId version) const;

  // Committed versions, ascending. An absent directory is an empty log.
  StatusOr<std::vector<VersionId>> List() const;

  // The largest committed version; 0 for an empty log. Cheaper than List: looks only until it has
  // one.
  StatusOr<VersionId> Newest() const;

  // The largest version number that ever had a folder, committed or not; 0 for an empty log.
  StatusOr<VersionId> LargestUsed() const;

  // DataLoss: the manifest does not match its own checksum. NotFound: not committed.
  // FailedPrecondition: written by a newer program.
  StatusOr<proto::Manifest> ReadManifest(VersionId version) const;

  // What must be loaded, in this order, to have `version`: a base (or the first delta), then
  // deltas. A delta that has become a base stands there as one; if that base's manifest is damaged,
  // as the delta that it was. Rollbacks are resolved: they stand for their parent's chain and never
  // appear, so that the last manifest is the one whose positions and metrics belong to the model.
  // Empty for a rollback to 0, the model without rows. DataLoss: a version on the way is missing or
  // damaged.
  StatusOr<std::vector<proto::Manifest>> Chain(VersionId version) const;

  // Makes `version` none: its manifest is renamed away, which is atomic. What is left of it goes
  // with RemoveFolder. Whether another version needs it is the caller's to know.
  Status Retire(VersionId version);

  // Undoes Retire, before RemoveFolder.
  Status Restore(VersionId version);

  // The parts of a version that was retired, or never committed. FailedPrecondition: it is
  // committed.
  Status RemoveFolder(VersionId version);

  // A pinned version is kept whatever the rules of retention say (common/version_log/retention.h),
  // with all that it needs. `note` is for people: one line. NotFound: not committed.
  Status Pin(VersionId version, const std::string& note);
  // NotFound: it is not pinned.
  Status Unpin(VersionId version);
  // Notes by version.
  StatusOr<std::map<VersionId, std::string>> Pins() const;

  // Reads all of `version`'s chain and checks every checksum. OK: it can be restored.
  Status Verify(VersionId version) const;
  // The same of the parts of one manifest of a chain.
  Status VerifyParts(const proto::Manifest& manifest) const;

 private:
  std::string ManifestPath(VersionId version) const;
  std::string BasePath(VersionId version) const;
  StatusOr<proto::Manifest> ReadManifestAt(const std::string& path, VersionId version) const;
  Status CommitAt(const std::string& path, const proto::Manifest& manifest);
  std::string PinPath(VersionId version) const;
  StatusOr<bool> IsCommitted(VersionId version) const;
  Status MakeFolder(VersionId version);

  FileSystem& files_;
  const std::string directory_;
};

// What to read of a chain.
struct PartSelection {
  PartColumns columns = PartColumns::kAll;
  const TouchedKeys* only = nullptr;  // as in ReadPart
  // Parts of which it says no are not read; null: all are.
  std::function<bool(const proto::Manifest&, const proto::PartFile&)> wants = nullptr;
};

// Loads each part of a chain (VersionLog::Chain) in order; `apply` gets the contents and the
// manifest they belong to. Stops at the first error. A part is read ahead, on another thread.
Status ForEachPart(FileSystem& files,
                   const VersionLog& log,
                   const std::vector<proto::Manifest>& chain,
                   const PartSelection& selection,
                   const std::function<Status(const proto::Manifest&, PartContents)>& apply);

// Of the chain of `version`.
Status ForEachPart(FileSystem& files,
                   const VersionLog& log,
                   VersionId version,
                   PartColumns columns,
                   const std::function<Status(const proto::Manifest&, PartContents)>& apply);

}  // namespace freshet
