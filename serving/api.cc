#include "serving/api.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/config/nearest.h"
#include "serving/json_writer.h"
#include "serving/lookup_requests.h"
#include "serving/query.h"
#include "serving/score_requests.h"

namespace freshet::serving {

Api::Api(const Clock& clock,
         const ModelStore& store,
         const LogFollower& follower,
         ServingMetrics& metrics)
    : clock_(clock),
      store_(store),
      follower_(follower),
      metrics_(metrics),
      routes_({{"POST", "/v1/predict", &Api::Predict},
               {"POST", "/v1/recall", &Api::Recall},
               {"POST", "/v1/recommend", &Api::Recommend},
               {"GET", "/v1/embeddings", &Api::Embeddings},
               {"POST", "/v1/embeddings", &Api::Embeddings},
               {"GET", "/v1/model", &Api::Model},
               {"GET", "/v1/versions", &Api::Versions},
               // Answered by Dispatch: they have statuses and types of their own.
               {"GET", "/health", nullptr},
               {"GET", "/metrics", nullptr}}) {}

http::Response Api::Handle(const http::Request& request) {
  const auto began = clock_.Monotonic();
  requests_.fetch_add(1, std::memory_order_relaxed);
  std::string endpoint = "other";  // what clients make up must not become labels
  http::Response response = Dispatch(request, &endpoint);
  const std::chrono::duration<double> seconds = clock_.Monotonic() - began;
  metrics_.CountRequest(endpoint, response.status, seconds.count());
  return response;
}

http::Response Api::Dispatch(const http::Request& request, std::string* endpoint) const {
  std::string allow;
  for (const Route& route : routes_) {
    if (route.path != request.path) {
      continue;
    }
    *endpoint = route.path;
    if (route.method != request.method) {
      allow += allow.empty() ? route.method : ", " + route.method;
      continue;
    }
    if (route.answer == nullptr) {
      return route.path == "/health" ? Health() : MetricsText();
    }
    StatusOr<std::string> body = (this->*route.answer)(request);
    return body.ok() ? http::Response{.body = *std::move(body)}
                     : http::ErrorResponse(body.status());
  }
  if (allow.empty()) {
    return NotFoundResponse(request);
  }
  http::Response response = http::ErrorResponse(
      405, fmt::format("{} takes {}, not {}", request.path, allow, request.method));
  response.allow = allow;
  return response;
}

http::Response Api::NotFoundResponse(const http::Request& request) const {
  std::vector<std::string> paths;
  for (const Route& route : routes_) {
    if (std::find(paths.begin(), paths.end(), route.path) == paths.end()) {
      paths.push_back(route.path);
    }
  }
  const std::string path = request.path.substr(0, 100);
  return http::ErrorResponse(404, fmt::format("no path '{}'; {}", path, Suggestion(path, paths)));
}

Status Api::CheckServing(const Snapshot& snapshot) const {
  if (snapshot.has_version()) {
    return absl::OkStatus();
  }
  return Unavailable("no version is served yet: {}", follower_.problem());
}

http::Response Api::Health() const {
  const ModelStore::ReadGuard snapshot = store_.Acquire();
  if (const Status serving = CheckServing(*snapshot); !serving.ok()) {
    return http::ErrorResponse(serving);
  }
  const VersionFacts& facts = snapshot->facts();
  JsonWriter json;
  json.BeginObject();
  WriteVersion(facts, &json);
  json.Key("freshness_ms").Int(clock_.UnixMillis() - facts.newest_arrival_ms);
  if (const std::string problem = follower_.problem(); !problem.empty()) {
    json.Key("problem").String(problem);
  }
  json.EndObject();
  return http::Response{.body = json.Take()};
}

http::Response Api::MetricsText() const {
  const ModelStore::ReadGuard snapshot = store_.Acquire();
  const int64_t newest = snapshot->facts().newest_arrival_ms;
  metrics_.freshness_seconds.Set(
      newest == 0 ? -1.0 : static_cast<double>(clock_.UnixMillis() - newest) / 1000.0);
  return http::Response{.content_type = "text/plain; version=0.0.4",
                        .body = metrics_.registry.Text()};
}

StatusOr<std::string> Api::Predict(const http::Request& request) const {
  const ModelStore::ReadGuard snapshot = store_.Acquire();
  FRESHET_RETURN_IF_ERROR(CheckServing(*snapshot));
  return serving::Predict(*snapshot, request.body);
}

StatusOr<std::string> Api::Recall(const http::Request& request) const {
  const ModelStore::ReadGuard snapshot = store_.Acquire();
  FRESHET_RETURN_IF_ERROR(CheckServing(*snapshot));
  return serving::Recall(*snapshot, request.body);
}

StatusOr<std::string> Api::Recommend(const http::Request& request) const {
  const ModelStore::ReadGuard snapshot = store_.Acquire();
  FRESHET_RETURN_IF_ERROR(CheckServing(*snapshot));
  return serving::Recommend(*snapshot, request.body);
}

StatusOr<std::string> Api::Embeddings(const http::Request& request) const {
  const ModelStore::ReadGuard snapshot = store_.Acquire();
  FRESHET_RETURN_IF_ERROR(CheckServing(*snapshot));
  if (request.method == "POST") {
    return EmbeddingsByBody(*snapshot, request.body);
  }
  FRESHET_ASSIGN_OR_RETURN(const Query query, Query::Parse(request.query));
  return EmbeddingsByQuery(*snapshot, query);
}

StatusOr<std::string> Api::Model(const http::Request&) const {
  const ModelStore::ReadGuard snapshot = store_.Acquire();
  FRESHET_RETURN_IF_ERROR(CheckServing(*snapshot));
  return DescribeModel(*snapshot);
}

StatusOr<std::string> Api::Versions(const http::Request& request) const {
  FRESHET_ASSIGN_OR_RETURN(const Query query, Query::Parse(request.query));
  VersionFacts facts;
  {
    // Reading the log may take a while: the writer must not wait for it.
    const ModelStore::ReadGuard snapshot = store_.Acquire();
    facts = snapshot->facts();
  }
  return ListVersions(facts, follower_, query);
}

}  // namespace freshet::serving
