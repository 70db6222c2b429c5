#include "common/report/report.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "common/check.h"
#include "common/report/line_chart.h"

namespace freshet {
namespace {

// A measure of a version: of its window and of the whole run.
struct Measure {
  const char* name;
  const char* title;
  std::function<double(const proto::VersionMetrics&)> window;
  std::function<double(const proto::VersionMetrics&)> total;
};

double OrNothing(bool there, double value) {
  return there ? value : std::numeric_limits<double>::quiet_NaN();
}

std::vector<Measure> Measures() {
  using Metrics = proto::VersionMetrics;
  return {
      {"auc",
       "AUC",
       [](const Metrics& m) { return OrNothing(m.samples() > 0, m.auc()); },
       [](const Metrics& m) { return OrNothing(m.total_samples() > 0, m.total_auc()); }},
      {"log_loss",
       "Log loss",
       [](const Metrics& m) { return OrNothing(m.samples() > 0, m.log_loss()); },
       [](const Metrics& m) { return OrNothing(m.total_samples() > 0, m.total_log_loss()); }},
      {"calibration",
       "Calibration: predicted over observed",
       [](const Metrics& m) { return OrNothing(m.samples() > 0, m.calibration()); },
       [](const Metrics& m) { return OrNothing(m.total_samples() > 0, m.total_calibration()); }},
      {"normalized_entropy",
       "Normalized entropy",
       [](const Metrics& m) { return OrNothing(m.samples() > 0, m.normalized_entropy()); },
       [](const Metrics& m) {
         return OrNothing(m.total_samples() > 0, m.total_normalized_entropy());
       }},
      {"gauc",
       "GAUC",
       [](const Metrics& m) { return OrNothing(m.gauc_samples() > 0, m.gauc()); },
       [](const Metrics& m) { return OrNothing(m.total_gauc_samples() > 0, m.total_gauc()); }}};
}

// Empty where there is no number.
std::string Cell(double value) {
  return std::isfinite(value) ? fmt::format("{:.6f}", value) : "";
}

std::string VersionsCsv(const std::vector<proto::Manifest>& versions,
                        const std::vector<Measure>& measures) {
  std::string csv = "version,created_unix_ms,event_time_ms,samples,total_samples";
  for (const Measure& measure : measures) {
    csv += fmt::format(",{0},total_{0}", measure.name);
  }
  csv += "\n";
  for (const proto::Manifest& version : versions) {
    const proto::VersionMetrics& metrics = version.metrics();
    csv += fmt::format("{},{},{},{},{}",
                       version.version(),
                       version.created_unix_ms(),
                       version.event_time_watermark_ms(),
                       metrics.samples(),
                       metrics.total_samples());
    for (const Measure& measure : measures) {
      csv += "," + Cell(measure.window(metrics)) + "," + Cell(measure.total(metrics));
    }
    csv += "\n";
  }
  return csv;
}

std::string SlicesCsv(const std::vector<proto::Manifest>& versions) {
  std::string csv =
      "version,slice,samples,auc,log_loss,calibration,normalized_entropy,total_samples,total_auc,"
      "total_log_loss,total_calibration,total_normalized_entropy\n";
  for (const proto::Manifest& version : versions) {
    for (const proto::SliceMetrics& slice : version.metrics().slices()) {
      csv += fmt::format("{},{},{},{:.6f},{:.6f},{:.6f},{:.6f},{},{:.6f},{:.6f},{:.6f},{:.6f}\n",
                         version.version(),
                         slice.name(),
                         slice.samples(),
                         slice.auc(),
                         slice.log_loss(),
                         slice.calibration(),
                         slice.normalized_entropy(),
                         slice.total_samples(),
                         slice.total_auc(),
                         slice.total_log_loss(),
                         slice.total_calibration(),
                         slice.total_normalized_entropy());
    }
  }
  return csv;
}

std::string Chart(const std::vector<proto::Manifest>& versions, const Measure& measure) {
  std::vector<ChartLine> lines = {{.name = "each version", .x = {}, .y = {}},
                                  {.name = "whole run", .x = {}, .y = {}}};
  for (const proto::Manifest& version : versions) {
    const proto::VersionMetrics& metrics = version.metrics();
    for (ChartLine& line : lines) {
      line.x.push_back(static_cast<double>(metrics.total_samples()));
    }
    lines[0].y.push_back(measure.window(metrics));
    lines[1].y.push_back(measure.total(metrics));
  }
  return DrawChart(std::string(measure.title) + ", before learning", "samples", lines);
}

}  // namespace

proto::Manifest ScoresOf(proto::Manifest manifest) {
  manifest.clear_workers();
  manifest.clear_parts();
  manifest.clear_model();
  manifest.clear_gate();
  manifest.clear_early_stopping();
  return manifest;
}

Status WriteReport(FileSystem& files,
                   const std::vector<proto::Manifest>& versions,
                   const std::string& folder) {
  FRESHET_CHECK(!versions.empty());
  const bool has_slices =
      std::any_of(versions.begin(), versions.end(), [](const proto::Manifest& version) {
        return version.metrics().slices_size() > 0;
      });
  FRESHET_RETURN_IF_ERROR(files.CreateDirectories(folder));
  const std::vector<Measure> measures = Measures();
  FRESHET_RETURN_IF_ERROR(
      WriteFileAtomically(files, folder + "/versions.csv", VersionsCsv(versions, measures)));
  if (has_slices) {
    FRESHET_RETURN_IF_ERROR(
        WriteFileAtomically(files, folder + "/slices.csv", SlicesCsv(versions)));
  }
  for (const Measure& measure : measures) {
    if (std::isfinite(measure.total(versions.back().metrics()))) {
      FRESHET_RETURN_IF_ERROR(WriteFileAtomically(
          files, folder + "/" + measure.name + ".svg", Chart(versions, measure)));
    }
  }
  return absl::OkStatus();
}

}  // namespace freshet
