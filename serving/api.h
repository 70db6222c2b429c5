#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "common/env/clock.h"
#include "common/http/http_server.h"
#include "serving/log_follower.h"
#include "serving/metrics.h"
#include "serving/model_store.h"

namespace freshet::serving {

// Serving's HTTP interface, as docs/http-api.md describes it. Every answer comes from one snapshot.
// Thread-safety: any thread. All that it is given outlives it.
class Api {
 public:
  Api(const Clock& clock,
      const ModelStore& store,
      const LogFollower& follower,
      ServingMetrics& metrics);

  http::Response Handle(const http::Request& request);

  uint64_t requests() const { return requests_.load(std::memory_order_relaxed); }

 private:
  using Answer = StatusOr<std::string> (Api::*)(const http::Request& request) const;

  struct Route {
    std::string method;
    std::string path;
    Answer answer;
  };

  http::Response Dispatch(const http::Request& request, std::string* endpoint) const;
  http::Response NotFoundResponse(const http::Request& request) const;
  http::Response Health() const;
  http::Response MetricsText() const;

  StatusOr<std::string> Predict(const http::Request& request) const;
  StatusOr<std::string> Recall(const http::Request& request) const;
  StatusOr<std::string> Recommend(const http::Request& request) const;
  StatusOr<std::string> Embeddings(const http::Request& request) const;
  StatusOr<std::string> Model(const http::Request& request) const;
  StatusOr<std::string> Versions(const http::Request& request) const;

  // Unavailable, with the reason, before the first version.
  Status CheckServing(const Snapshot& snapshot) const;

  const Clock& clock_;
  const ModelStore& store_;
  const LogFollower& follower_;
  ServingMetrics& metrics_;
  const std::vector<Route> routes_;
  std::atomic<uint64_t> requests_ = 0;
};

}  // namespace freshet::serving
