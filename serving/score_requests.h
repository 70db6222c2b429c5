#pragma once
#include <string>
#include <string_view>

#include "common/status.h"
#include "serving/json_writer.h"
#include "serving/recommendable.h"
#include "serving/snapshot.h"

// The requests that score items. Each takes a request's body and gives the answer's, from one
// snapshot, which has a version. docs/http-api.md describes them.
// Errors: InvalidArgument for the request; FailedPrecondition if there are no items to recommend.
namespace freshet::serving {

// Of a request, as kMostCandidates: lists are refused above, so that one request cannot hold a
// thread for long.
inline constexpr size_t kMostExcluded = 100'000;

StatusOr<std::string> Predict(const Snapshot& snapshot, std::string_view body);
StatusOr<std::string> Recall(const Snapshot& snapshot, std::string_view body);
StatusOr<std::string> Recommend(const Snapshot& snapshot, std::string_view body);

// "version", and of a rollback "restores": what every answer begins with.
void WriteVersion(const VersionFacts& facts, JsonWriter* json);

}  // namespace freshet::serving
