#pragma once
#include <string>
#include <string_view>

#include "common/ids.h"
#include "common/status.h"
#include "proto/manifest.pb.h"

// manifest.json: the text form of proto::Manifest (docs/formats/version-log.md).
namespace freshet {

// What SerializeManifest writes. Fields may be added without a new number: readers skip those they
// do not know. A new kind of version needs a new number.
inline constexpr uint32_t kManifestFormat = 1;

// A version is numbered after its parent, a rollback has no parts, and parts have plain, distinct
// file names. InvalidArgument says which does not hold.
Status CheckManifest(const proto::Manifest& manifest);

// Whether `name` can be that of a part: no way to leave the version's folder.
bool IsPlainFileName(std::string_view name);

// The content of the file; `format` is set here. InvalidArgument: breaks CheckManifest, or holds
// what would not come back the same, such as text that is not UTF-8.
StatusOr<std::string> SerializeManifest(const proto::Manifest& manifest);

// Errors name `path`. DataLoss: any byte is not as SerializeManifest wrote it, or the manifest is
// that of another version. FailedPrecondition: written by a newer program.
StatusOr<proto::Manifest> ParseManifest(const std::string& path,
                                        std::string_view content,
                                        VersionId version);

}  // namespace freshet
