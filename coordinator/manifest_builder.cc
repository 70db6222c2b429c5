#include "coordinator/manifest_builder.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "common/job/job_config.h"
#include "common/metrics/evaluation.h"
#include "coordinator/log.h"

namespace freshet::coordinator {
namespace {

proto::SliceMetrics MetricsOfSlice(const std::string& name,
                                   const EvaluationSums& window,
                                   const EvaluationSums& total) {
  proto::SliceMetrics metrics;
  metrics.set_name(name);
  metrics.set_samples(window.samples());
  metrics.set_auc(window.Auc());
  metrics.set_log_loss(window.MeanLogLoss());
  metrics.set_calibration(window.Calibration());
  metrics.set_normalized_entropy(window.NormalizedEntropy());
  metrics.set_total_samples(total.samples());
  metrics.set_total_auc(total.Auc());
  metrics.set_total_log_loss(total.MeanLogLoss());
  metrics.set_total_calibration(total.Calibration());
  metrics.set_total_normalized_entropy(total.NormalizedEntropy());
  return metrics;
}

void AddGauc(const EvaluationSums& window,
             const proto::VersionMetrics& before,
             proto::VersionMetrics* metrics) {
  const GroupScores::Gauc gauc = window.Gauc();
  metrics->set_gauc(gauc.value());
  metrics->set_gauc_samples(gauc.samples);
  const uint64_t samples = before.total_gauc_samples() + gauc.samples;
  const double sum =
      before.total_gauc() * static_cast<double>(before.total_gauc_samples()) + gauc.sum;
  metrics->set_total_gauc(samples > 0 ? sum / static_cast<double>(samples) : 0.5);
  metrics->set_total_gauc_samples(samples);
}

proto::VersionMetrics MetricsOf(const ManifestInputs& inputs) {
  EvaluationSums window;
  EvaluationSums total;
  for (const proto::WorkerState& state : inputs.states) {
    window.Merge(EvaluationSums(state.window()));
    total.Merge(EvaluationSums(state.evaluation()));
  }
  proto::VersionMetrics metrics;
  metrics.set_samples(window.samples());
  metrics.set_auc(window.Auc());
  metrics.set_log_loss(window.MeanLogLoss());
  metrics.set_calibration(window.Calibration());
  metrics.set_normalized_entropy(window.NormalizedEntropy());
  metrics.set_total_samples(total.samples());
  metrics.set_total_auc(total.Auc());
  metrics.set_total_log_loss(total.MeanLogLoss());
  metrics.set_total_calibration(total.Calibration());
  metrics.set_total_normalized_entropy(total.NormalizedEntropy());
  AddGauc(window, inputs.metrics_before, &metrics);
  for (size_t slice = 0; slice < inputs.slices.size(); ++slice) {
    *metrics.add_slices() =
        MetricsOfSlice(inputs.slices[slice], window.Slice(slice), total.Slice(slice));
  }
  return metrics;
}

// (pass, offset, finished) by partition.
using Progress = std::map<std::string, std::tuple<uint32_t, uint64_t, bool>>;

void AddProgress(const proto::WorkerState& state, Progress* progress) {
  for (const proto::StreamPosition& position : state.positions()) {
    if (position.offset() > 0 || position.finished() || position.pass() > 0) {
      (*progress)[position.partition()] = {position.pass(), position.offset(), position.finished()};
    }
  }
}

}  // namespace

proto::Manifest BuildManifest(ManifestInputs inputs) {
  proto::Manifest manifest;
  manifest.set_version(inputs.version.value());
  manifest.set_parent(inputs.parent.value());
  manifest.set_kind(inputs.full ? proto::Manifest::BASE : proto::Manifest::DELTA);
  manifest.set_epoch(inputs.epoch.value());
  manifest.set_created_unix_ms(inputs.now_unix_ms);
  manifest.set_partition_count(inputs.partition_count);
  *manifest.mutable_model() = inputs.model;
  manifest.set_config_xxh3(ModelHash(inputs.model));
  *manifest.mutable_metrics() = MetricsOf(inputs);
  int64_t watermark = 0;
  int64_t newest_arrival = 0;
  for (proto::WorkerState& state : inputs.states) {
    watermark = std::max<int64_t>(watermark, state.event_time_watermark_ms());
    newest_arrival = std::max<int64_t>(newest_arrival, state.newest_arrival_ms());
    proto::WorkerState* const added = manifest.add_workers();
    *added = std::move(state);
    // They have become the version's GAUC, and are as large as the samples were many.
    added->mutable_window()->clear_group_keys();
    added->mutable_window()->clear_group_predictions();
    added->mutable_window()->clear_group_labels();
  }
  manifest.set_event_time_watermark_ms(watermark);
  manifest.set_newest_arrival_ms(newest_arrival);
  for (proto::PartFile& part : inputs.parts) {
    *manifest.add_parts() = std::move(part);
  }
  return manifest;
}

bool SameProgress(const proto::Manifest& head, const std::vector<proto::WorkerState>& states) {
  Progress before;
  for (const proto::WorkerState& state : head.workers()) {
    AddProgress(state, &before);
  }
  Progress now;
  for (const proto::WorkerState& state : states) {
    AddProgress(state, &now);
  }
  return before == now;
}

Status CompletePositions(const proto::Manifest& head, std::vector<proto::WorkerState>* states) {
  std::set<std::string> reported;
  for (const proto::WorkerState& state : *states) {
    for (const proto::StreamPosition& position : state.positions()) {
      if (!reported.insert(position.partition()).second) {
        return Aborted("partition {} is read by two workers: files must not appear out of order",
                       position.partition());
      }
    }
  }
  for (const proto::WorkerState& state : head.workers()) {
    for (const proto::StreamPosition& position : state.positions()) {
      if (!states->empty() && reported.insert(position.partition()).second) {
        *states->front().add_positions() = position;
      }
    }
  }
  return absl::OkStatus();
}

Status CommitForSure(VersionLog& log, const proto::Manifest& manifest) {
  Status status = log.Commit(manifest);
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAlreadyExists:
      return status;
    default:  // it may have come after the rename
      break;
  }
  const auto found = log.ReadManifest(VersionId(manifest.version()));
  if (found.ok()) {
    Log().warn("committed in spite of an error version={} error=\"{}\"",
               manifest.version(),
               status.ToString());
    return absl::OkStatus();
  }
  if (absl::IsNotFound(found.status())) {
    return status;
  }
  return Aborted("version {} may or may not be committed: {}; then {}",
                 manifest.version(),
                 status.ToString(),
                 found.status().ToString());
}

}  // namespace freshet::coordinator
