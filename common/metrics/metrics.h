#pragma once
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

namespace freshet {

// A role's metrics. Names follow Prometheus: freshet_<role>_<what>_<unit>[_total].
// Thread-safety: any thread. Count per batch, never per key.
class Metrics {
 public:
  Metrics() : registry_(std::make_shared<prometheus::Registry>()) {}

  prometheus::Counter& Counter(const std::string& name,
                               const std::string& help,
                               const prometheus::Labels& labels = {});
  prometheus::Gauge& Gauge(const std::string& name,
                           const std::string& help,
                           const prometheus::Labels& labels = {});
  prometheus::Histogram& Histogram(const std::string& name,
                                   const std::string& help,
                                   const prometheus::Histogram::BucketBoundaries& buckets,
                                   const prometheus::Labels& labels = {});

  // Prometheus' text format, as /metrics serves it.
  std::string Text() const;

 private:
  std::shared_ptr<prometheus::Registry> registry_;
};

// 0.1 ms to 10 s, for latencies in seconds.
prometheus::Histogram::BucketBoundaries LatencyBuckets();

}  // namespace freshet
