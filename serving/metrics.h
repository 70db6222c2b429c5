#pragma once
#include <map>
#include <mutex>
#include <string>

#include "common/metrics/metrics.h"

namespace freshet::serving {

// Everything that serving counts; docs/operations.md says what to watch. Any thread.
struct ServingMetrics {
  explicit ServingMetrics(Metrics& metrics);

  // One answer of an endpoint. `endpoint` is one of a fixed few names.
  void CountRequest(const std::string& endpoint, int code, double seconds);

  Metrics& registry;
  prometheus::Gauge& version;
  prometheus::Gauge& newest_version;
  prometheus::Gauge& freshness_seconds;
  prometheus::Gauge& rows;
  prometheus::Gauge& bytes;
  prometheus::Gauge& items;
  prometheus::Counter& applied_deltas;
  prometheus::Counter& applied_patches;
  prometheus::Counter& applied_loads;
  prometheus::Counter& refused_versions;
  prometheus::Counter& log_errors;
  prometheus::Counter& catalogue_loads;
  prometheus::Counter& catalogue_errors;
  prometheus::Histogram& apply_seconds;
  prometheus::Histogram& commit_to_served_seconds;

 private:
  struct Endpoint {
    prometheus::Histogram* seconds = nullptr;
    std::map<int, prometheus::Counter*> by_code;
  };

  std::mutex mutex_;
  std::map<std::string, Endpoint> endpoints_;  // found again faster than through the registry
};

}  // namespace freshet::serving
