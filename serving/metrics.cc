#include "serving/metrics.h"

namespace freshet::serving {

ServingMetrics::ServingMetrics(Metrics& metrics)
    : registry(metrics),
      version(metrics.Gauge("freshet_serving_version", "Version that is served; 0: none yet")),
      newest_version(
          metrics.Gauge("freshet_serving_newest_version", "Newest version seen in the log")),
      freshness_seconds(metrics.Gauge("freshet_serving_freshness_seconds",
                                      "Age of the newest sample in the served version; -1: none")),
      rows(metrics.Gauge("freshet_serving_rows", "Embedding rows in the served version")),
      bytes(metrics.Gauge("freshet_serving_weights_bytes",
                          "Memory of the weights; there are two copies of them")),
      items(metrics.Gauge("freshet_serving_items", "Items that can be recommended")),
      applied_deltas(metrics.Counter("freshet_serving_versions_applied_total",
                                     "Versions taken into service",
                                     {{"how", "delta"}})),
      applied_patches(metrics.Counter("freshet_serving_versions_applied_total",
                                      "Versions taken into service",
                                      {{"how", "patch"}})),
      applied_loads(metrics.Counter("freshet_serving_versions_applied_total",
                                    "Versions taken into service",
                                    {{"how", "load"}})),
      refused_versions(metrics.Counter("freshet_serving_refused_versions_total",
                                       "Versions left out because they cannot be read whole")),
      log_errors(metrics.Counter("freshet_serving_log_errors_total",
                                 "Looks at the log that failed, and are tried again")),
      catalogue_loads(metrics.Counter("freshet_serving_catalogue_loads_total", "Catalogues read")),
      catalogue_errors(metrics.Counter("freshet_serving_catalogue_errors_total",
                                       "Catalogues refused; the one before stays")),
      apply_seconds(metrics.Histogram("freshet_serving_apply_seconds",
                                      "Time to read a version and take it into service",
                                      LatencyBuckets())),
      commit_to_served_seconds(metrics.Histogram("freshet_serving_commit_to_served_seconds",
                                                 "From the commit of a version to its service",
                                                 LatencyBuckets())) {}

void ServingMetrics::CountRequest(const std::string& endpoint, int code, double seconds) {
  const std::lock_guard lock(mutex_);
  Endpoint& counts = endpoints_[endpoint];
  if (counts.seconds == nullptr) {
    counts.seconds = &registry.Histogram("freshet_serving_request_seconds",
                                         "Time to compute the answer of a request",
                                         LatencyBuckets(),
                                         {{"endpoint", endpoint}});
  }
  prometheus::Counter*& answered = counts.by_code[code];
  if (answered == nullptr) {
    answered = &registry.Counter("freshet_serving_requests_total",
                                 "Requests answered",
                                 {{"endpoint", endpoint}, {"code", std::to_string(code)}});
  }
  counts.seconds->Observe(seconds);
  answered->Increment();
}

}  // namespace freshet::serving
