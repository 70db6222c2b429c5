#pragma once
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <cstdint>
#include <mutex>
#include <string>

#include "common/metrics/metrics.h"
#include "common/status.h"
#include "ps/embedding_table.h"

namespace freshet::ps {

// What a parameter server counts. Thread-safety: any thread.
class PsMetrics {
 public:
  PsMetrics();

  std::string Text() const { return metrics_.Text(); }

  void CountRefusedPush(const Status& status);
  void CountRefusedPull(const Status& status);
  // `worker` is one of the session's, so that there are no more counters than workers.
  void CountBadGradients(uint32_t worker);
  // Totals, which only grow.
  void SetEvicted(const EvictedRows& evicted);
  void SetBadFrames(uint64_t total);
  // Of a server with rows on disk.
  void SetStorage(uint64_t cold_rows, const ColdStore& store);

 private:
  // `total` only grows.
  void SetCounter(prometheus::Counter& counter, uint64_t total);

  std::mutex totals_mutex_;  // from a counter's value to its increment
  Metrics metrics_;          // before those that live in it

 public:
  prometheus::Counter& pull_keys;
  prometheus::Histogram& pull_seconds;
  prometheus::Counter& push_keys;
  prometheus::Histogram& push_seconds;
  prometheus::Counter& repeated_pushes;
  prometheus::Counter& announced_keys;
  prometheus::Counter& dropped_announcements;
  prometheus::Counter& deleted_rows;
  prometheus::Gauge& rows;
  prometheus::Gauge& bytes;
  prometheus::Gauge& candidates;
  prometheus::Counter& cut_rows;
  prometheus::Counter& cut_tombstones;
  prometheus::Counter& cut_bytes;
  prometheus::Counter& cuts_given_up;
  prometheus::Histogram& cut_flip_seconds;
  prometheus::Histogram& cut_copy_seconds;
  prometheus::Histogram& cut_write_seconds;
  prometheus::Histogram& restore_seconds;
  prometheus::Counter& restores_failed;
  prometheus::Counter& rewinds;
  prometheus::Gauge& epoch;
};

}  // namespace freshet::ps
