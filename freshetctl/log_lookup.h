#pragma once
#include <cstdint>
#include <optional>

#include "common/version_log/version_log.h"

namespace freshet::freshetctl {

// The version that was asked for, or else the newest one; NotFound if the log has none.
inline StatusOr<VersionId> AskedOrNewest(const VersionLog& log, std::optional<uint64_t> asked) {
  if (asked) {
    return VersionId(*asked);
  }
  FRESHET_ASSIGN_OR_RETURN(const VersionId newest, log.Newest());
  if (newest.value() == 0) {
    return NotFound("{} holds no version", log.directory());
  }
  return newest;
}

// Fails unless the directory is there: an empty answer would hide a mistyped path.
inline Status CheckLogDirectory(FileSystem& files, const std::string& directory) {
  const StatusOr<FileInfo> info = files.Stat(directory);
  if (absl::IsNotFound(info.status())) {
    return NotFound("there is no version log at {}", directory);
  }
  return info.status();
}

}  // namespace freshet::freshetctl
