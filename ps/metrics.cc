#include "ps/metrics.h"

#include <algorithm>
#include <string>

namespace freshet::ps {
namespace {

std::string ReasonOf(const Status& status) {
  return absl::StatusCodeToString(status.code());
}

}  // namespace

PsMetrics::PsMetrics()
    : pull_keys(metrics_.Counter("freshet_ps_pull_keys_total", "Keys of answered pulls")),
      pull_seconds(metrics_.Histogram("freshet_ps_pull_seconds",
                                      "From a pull's arrival to its answer, waiting included",
                                      LatencyBuckets())),
      push_keys(metrics_.Counter("freshet_ps_push_keys_total", "Keys of applied pushes")),
      push_seconds(metrics_.Histogram("freshet_ps_push_seconds",
                                      "From a push's arrival to its answer, waiting included",
                                      LatencyBuckets())),
      repeated_pushes(metrics_.Counter("freshet_ps_repeated_pushes_total",
                                       "Pushes that came again and were not applied again")),
      announced_keys(metrics_.Counter("freshet_ps_announced_keys_total",
                                      "Keys of announcements that were taken up")),
      dropped_announcements(
          metrics_.Counter("freshet_ps_dropped_announcements_total",
                           "Announcements of keys left out, as too many were under way")),
      deleted_rows(metrics_.Counter("freshet_ps_deleted_rows_total", "Rows of forgotten keys")),
      rows(metrics_.Gauge("freshet_ps_rows", "Embedding rows held")),
      bytes(metrics_.Gauge("freshet_ps_bytes", "Memory of rows, their index and dense variables")),
      candidates(metrics_.Gauge("freshet_ps_candidates",
                                "Keys that are counted exactly and have no row yet")),
      cut_rows(metrics_.Counter("freshet_ps_cut_rows_total", "Rows written to part files")),
      cut_tombstones(
          metrics_.Counter("freshet_ps_cut_tombstones_total", "Tombstones written to part files")),
      cut_bytes(metrics_.Counter("freshet_ps_cut_bytes_total", "Bytes of part files written")),
      cuts_given_up(metrics_.Counter("freshet_ps_cuts_given_up_total",
                                     "Cuts that ended without being committed")),
      cut_flip_seconds(metrics_.Histogram("freshet_ps_cut_flip_seconds",
                                          "From a cut's arrival to its answer: training waits",
                                          LatencyBuckets())),
      cut_copy_seconds(metrics_.Histogram("freshet_ps_cut_copy_seconds",
                                          "Copying the rows of a cut, in between requests",
                                          LatencyBuckets())),
      cut_write_seconds(metrics_.Histogram(
          "freshet_ps_cut_write_seconds", "Writing and syncing one part file", LatencyBuckets())),
      restore_seconds(
          metrics_.Histogram("freshet_ps_restore_seconds", "Loading a version", LatencyBuckets())),
      restores_failed(
          metrics_.Counter("freshet_ps_restores_failed_total", "Restores that did not end well")),
      rewinds(metrics_.Counter("freshet_ps_rewinds_total",
                               "Restores that loaded no more than the rows that had changed")),
      epoch(metrics_.Gauge("freshet_ps_epoch", "The epoch that the server is in")) {}

void PsMetrics::CountRefusedPush(const Status& status) {
  metrics_
      .Counter("freshet_ps_refused_pushes_total",
               "Pushes of which nothing was applied, by reason",
               {{"reason", ReasonOf(status)}})
      .Increment();
}

void PsMetrics::CountBadGradients(uint32_t worker) {
  metrics_
      .Counter("freshet_ps_bad_gradient_pushes_total",
               "Pushes refused for a gradient that is NaN, infinite or too large, by worker",
               {{"worker", std::to_string(worker)}})
      .Increment();
}

void PsMetrics::SetCounter(prometheus::Counter& counter, uint64_t total) {
  const std::lock_guard lock(totals_mutex_);
  counter.Increment(std::max(static_cast<double>(total) - counter.Value(), 0.0));
}

void PsMetrics::SetEvicted(const EvictedRows& evicted) {
  const auto set = [this](const std::string& rule, uint64_t total) {
    if (total > 0) {
      SetCounter(metrics_.Counter("freshet_ps_evicted_rows_total",
                                  "Rows that the feature policy took away, by rule",
                                  {{"rule", rule}}),
                 total);
    }
  };
  for (size_t reason = 1; reason < kEvictReasons; ++reason) {
    set(NameOf(static_cast<EvictReason>(reason)), evicted.by_reason[reason]);
  }
  set("max_bytes", evicted.capacity);
}

void PsMetrics::SetBadFrames(uint64_t total) {
  SetCounter(metrics_.Counter("freshet_ps_bad_frames_total",
                              "Connections closed because of what came over them, or did not "
                              "come in time"),
             total);
}

void PsMetrics::SetStorage(uint64_t cold_rows, const ColdStore& store) {
  const auto gauge = [this](const char* name, const char* help, uint64_t value) {
    metrics_.Gauge(name, help).Set(static_cast<double>(value));
  };
  const auto counter = [this](const char* name, const char* help, uint64_t total) {
    SetCounter(metrics_.Counter(name, help), total);
  };
  gauge("freshet_ps_cold_rows", "Embedding rows held that are on disk", cold_rows);
  gauge("freshet_ps_cold_disk_bytes", "Of files of rows on disk", store.disk_bytes());
  gauge("freshet_ps_cold_memory_bytes",
        "Memory that RocksDB has in use, of its part of dram_bytes",
        store.memory_bytes());
  const ColdStoreCounters& counters = store.counters();
  counter("freshet_ps_demoted_rows_total", "Rows brought down to disk", counters.puts);
  counter("freshet_ps_cold_lookups_total",
          "Keys looked for on disk, as they were not in memory",
          counters.lookups);
  counter("freshet_ps_cold_hits_total", "Of these, keys that had a row there", counters.hits);
  counter("freshet_ps_promoted_rows_total",
          "Rows that left the disk: brought up, or deleted",
          counters.takes);
  counter(
      "freshet_ps_cold_busy_total", "Writes put off because the disk was behind", counters.busy);
  counter("freshet_ps_cold_failures_total",
          "Operations on disk that failed, a full disk included",
          counters.failures);
}

void PsMetrics::CountRefusedPull(const Status& status) {
  metrics_
      .Counter("freshet_ps_refused_pulls_total",
               "Pulls that were not answered with rows, by reason",
               {{"reason", ReasonOf(status)}})
      .Increment();
}

}  // namespace freshet::ps
