#pragma once
#include <string>
#include <string_view>

#include "common/status.h"
#include "serving/log_follower.h"
#include "serving/query.h"
#include "serving/snapshot.h"

// The requests that look into a model and its versions. docs/http-api.md describes them.
namespace freshet::serving {

inline constexpr size_t kMostKeys = 10'000;
inline constexpr uint64_t kMostVersions = 1000;

// Rows of an embedding variable, by key or by the value of a slot. The snapshot has a version.
StatusOr<std::string> EmbeddingsByBody(const Snapshot& snapshot, std::string_view body);
StatusOr<std::string> EmbeddingsByQuery(const Snapshot& snapshot, const Query& query);

// What is served and which fields a request may have. The snapshot has a version.
std::string DescribeModel(const Snapshot& snapshot);

// The newest versions of the log, newest first; `served` is one of them, or version 0. Reads the
// log, so hold no snapshot meanwhile.
StatusOr<std::string> ListVersions(const VersionFacts& served,
                                   const LogFollower& follower,
                                   const Query& query);

}  // namespace freshet::serving
