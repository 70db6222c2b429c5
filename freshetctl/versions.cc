#include "freshetctl/versions.h"

#include <algorithm>
#include <map>

#include "freshetctl/format.h"
#include "freshetctl/log_lookup.h"
#include "freshetctl/proto_json.h"
#include "freshetctl/table.h"

namespace freshet::freshetctl {
namespace {

struct Totals {
  uint64_t bytes = 0;
  uint64_t rows = 0;
  uint64_t tombstones = 0;
};

Totals TotalsOf(const proto::Manifest& manifest) {
  Totals totals;
  for (const proto::PartFile& part : manifest.parts()) {
    totals.bytes += part.bytes();
    totals.rows += part.rows();
    totals.tombstones += part.tombstones();
  }
  return totals;
}

std::string KindName(const proto::Manifest& manifest) {
  std::string name = proto::Manifest::Kind_Name(manifest.kind());
  std::transform(name.begin(), name.end(), name.begin(), [](char letter) {
    return static_cast<char>(letter - 'A' + 'a');
  });
  return name;
}

void DropHistograms(proto::Evaluation* evaluation) {
  evaluation->clear_positives();
  evaluation->clear_negatives();
  for (proto::Evaluation& slice : *evaluation->mutable_slices()) {
    DropHistograms(&slice);
  }
}

// Histograms say nothing to a reader, and are most of the bytes.
void DropHistograms(proto::Manifest* manifest) {
  manifest->mutable_gate()->clear_pending();
  if (manifest->has_early_stopping()) {
    manifest->mutable_early_stopping()->clear_pending();
  }
  for (proto::WorkerState& worker : *manifest->mutable_workers()) {
    DropHistograms(worker.mutable_evaluation());
    DropHistograms(worker.mutable_window());
  }
}

std::vector<std::string> Row(const Context& context,
                             const proto::Manifest& manifest,
                             bool is_newest,
                             const std::string& note) {
  const Totals totals = TotalsOf(manifest);
  const uint64_t samples = manifest.metrics().samples();
  return {fmt::format("{}{}", manifest.version(), is_newest ? "*" : " "),
          std::to_string(manifest.parent()),
          KindName(manifest),
          UtcTime(manifest.created_unix_ms()),
          Duration(context.env.clock.UnixMillis() - manifest.created_unix_ms()),
          Count(totals.rows),
          Count(totals.tombstones),
          Bytes(totals.bytes),
          Count(samples),
          Score(manifest.metrics().auc(), samples),
          Score(manifest.metrics().log_loss(), samples),
          UtcTime(manifest.event_time_watermark_ms()),
          note};
}

Table VersionTable() {
  return Table({{"VERSION", true},
                {"PARENT", true},
                {"KIND"},
                {"CREATED (UTC)"},
                {"AGE", true},
                {"ROWS", true},
                {"TOMBSTONES", true},
                {"BYTES", true},
                {"SAMPLES", true},
                {"AUC", true},
                {"LOG LOSS", true},
                {"EVENT TIME (UTC)"},
                {"NOTE"}});
}

// A line of JSON for `versions list --json`, with sums in place of the parts.
std::string JsonRow(const proto::Manifest& manifest,
                    bool is_newest,
                    bool is_pinned,
                    bool has_base) {
  const Totals totals = TotalsOf(manifest);
  return fmt::format(
      R"({{"version":{},"parent":{},"kind":"{}","has_base":{},)"
      R"("newest":{},"pinned":{},"verdict":"{}",)"
      R"("epoch":{},"created_unix_ms":{},)"
      R"("rows":{},"tombstones":{},"bytes":{},"parts":{},"event_time_watermark_ms":{},)"
      R"("metrics":{}}})",
      manifest.version(),
      manifest.parent(),
      proto::Manifest::Kind_Name(manifest.kind()),
      has_base,
      is_newest,
      is_pinned,
      proto::GateState::Verdict_Name(manifest.gate().verdict()),
      manifest.epoch(),
      manifest.created_unix_ms(),
      totals.rows,
      totals.tombstones,
      totals.bytes,
      manifest.parts_size(),
      manifest.event_time_watermark_ms(),
      ToJson(manifest.metrics()));
}

// "base beside it; rejected by the gate; pinned: before the campaign"
std::string NoteOf(const proto::Manifest& manifest,
                   bool has_base,
                   const std::map<VersionId, std::string>& pins) {
  std::string note = has_base ? "base beside it" : "";
  if (manifest.gate().verdict() == proto::GateState::REJECTED) {
    note += note.empty() ? "" : "; ";
    note += "rejected by the gate";
  }
  if (const auto pin = pins.find(VersionId(manifest.version())); pin != pins.end()) {
    note += note.empty() ? "pinned" : "; pinned";
    note += pin->second.empty() ? "" : ": " + pin->second;
  }
  return note;
}

// The delta that a version was before it got a base, which followers read; and that base.
Status CheckBothForms(const VersionLog& log, VersionId version) {
  FRESHET_ASSIGN_OR_RETURN(const proto::Manifest manifest, log.ReadManifest(version));
  const StatusOr<proto::Manifest> base = log.ReadBase(version);
  if (absl::IsNotFound(base.status())) {
    return absl::OkStatus();
  }
  FRESHET_RETURN_IF_ERROR(base.status());
  return log.VerifyParts(manifest);
}

void PrintSummary(const Context& context, const proto::Manifest& manifest) {
  const Totals totals = TotalsOf(manifest);
  const proto::VersionMetrics& metrics = manifest.metrics();
  const auto line = [&](const char* name, const std::string& value) {
    context.out << fmt::format("{:<16}{}\n", name, value);
  };
  line("version", std::to_string(manifest.version()));
  line("kind", KindName(manifest));
  line("parent", manifest.parent() == 0 ? "none" : std::to_string(manifest.parent()));
  line("epoch", std::to_string(manifest.epoch()));
  line("created (UTC)", UtcTime(manifest.created_unix_ms()));
  line("event time", UtcTime(manifest.event_time_watermark_ms()));
  line("model", fmt::format("{}, xxh3 {}", manifest.model().kind(), manifest.config_xxh3()));
  line("partitions", std::to_string(manifest.partition_count()));
  if (manifest.gate().verdict() != proto::GateState::NONE) {
    std::string verdict = proto::GateState::Verdict_Name(manifest.gate().verdict());
    for (const std::string& reason : manifest.gate().reasons()) {
      verdict += "; " + reason;
    }
    line("gate", verdict);
  }
  if (const proto::EarlyStopping& state = manifest.early_stopping(); state.best_version() != 0) {
    line("best version",
         fmt::format("{}, held-out log loss {:.5f}{}",
                     state.best_version(),
                     state.best_log_loss(),
                     state.stopped() ? ", training was stopped there" : ""));
  }
  for (const proto::SkipRule& rule : manifest.skips()) {
    line("skips", rule.text());
  }
  line("holds",
       fmt::format("{} rows, {} tombstones, {}",
                   Count(totals.rows),
                   Count(totals.tombstones),
                   Bytes(totals.bytes)));
  const auto scores = [](uint64_t samples, double auc, double log_loss, double calibration) {
    return fmt::format("{} samples, AUC {}, log loss {}, calibration {}",
                       Count(samples),
                       Score(auc, samples),
                       Score(log_loss, samples),
                       Score(calibration, samples));
  };
  line("since parent",
       scores(metrics.samples(), metrics.auc(), metrics.log_loss(), metrics.calibration()));
  line("whole run",
       scores(metrics.total_samples(),
              metrics.total_auc(),
              metrics.total_log_loss(),
              metrics.total_calibration()));
}

void PrintPositions(const Context& context, const proto::Manifest& manifest) {
  Table table({{"WORKER", true},
               {"PARTITION"},
               {"OFFSET", true},
               {"SAMPLES", true},
               {"BAD", true},
               {"FINISHED"}});
  for (const proto::WorkerState& worker : manifest.workers()) {
    for (const proto::StreamPosition& position : worker.positions()) {
      table.Add({std::to_string(worker.worker()),
                 position.partition(),
                 std::to_string(position.offset()),
                 Count(position.samples()),
                 Count(position.bad_samples()),
                 position.finished() ? "yes" : "no"});
    }
  }
  table.Print(context.out);
}

void PrintParts(const Context& context, const proto::Manifest& manifest) {
  Table table({{"PART"},
               {"SERVER", true},
               {"BYTES", true},
               {"ROWS", true},
               {"TOMBSTONES", true},
               {"HEADER XXH3"}});
  for (const proto::PartFile& part : manifest.parts()) {
    table.Add({part.name(),
               std::to_string(part.server()),
               Bytes(part.bytes()),
               Count(part.rows()),
               Count(part.tombstones()),
               part.header_xxh3()});
  }
  table.Print(context.out);
}

}  // namespace

Outcome ListVersions(const Context& context,
                     const std::string& log_directory,
                     const ListOptions& options) {
  FRESHET_RETURN_IF_ERROR(CheckLogDirectory(context.env.files, log_directory));
  const VersionLog log(context.env.files, log_directory);
  FRESHET_ASSIGN_OR_RETURN(std::vector<VersionId> versions, log.List());
  if (options.last > 0 && versions.size() > options.last) {
    versions.erase(versions.begin(), versions.end() - static_cast<std::ptrdiff_t>(options.last));
  }
  FRESHET_ASSIGN_OR_RETURN(const auto pins, log.Pins());
  Table table = VersionTable();
  std::string json;
  std::string damaged;
  for (const VersionId version : versions) {
    const bool is_newest = version == versions.back();
    const StatusOr<proto::Manifest> manifest = log.ReadManifest(version);
    if (absl::IsNotFound(manifest.status())) {
      continue;  // a coordinator has removed it meanwhile
    }
    if (!manifest.ok()) {
      damaged += (damaged.empty() ? "" : "\n") + MessageOf(manifest.status());
      std::vector<std::string> cells(13);
      cells[0] = fmt::format("{}{}", version.value(), is_newest ? "*" : " ");
      cells[2] = "damaged";
      table.Add(std::move(cells));
      continue;
    }
    const bool has_base = log.ReadBase(version).ok();
    json += (json.empty() ? "" : ",\n ") +
            JsonRow(*manifest, is_newest, pins.contains(version), has_base);
    table.Add(Row(context, *manifest, is_newest, NoteOf(*manifest, has_base, pins)));
  }
  if (options.json) {
    context.out << "[" << json << "]\n";
  } else {
    table.Print(context.out);
  }
  return damaged.empty() ? Status() : DataLoss("{}", damaged);
}

Outcome ShowVersion(const Context& context,
                    const std::string& log_directory,
                    std::optional<uint64_t> version,
                    bool json) {
  FRESHET_RETURN_IF_ERROR(CheckLogDirectory(context.env.files, log_directory));
  const VersionLog log(context.env.files, log_directory);
  FRESHET_ASSIGN_OR_RETURN(const VersionId asked, AskedOrNewest(log, version));
  FRESHET_ASSIGN_OR_RETURN(proto::Manifest manifest, log.ReadManifest(asked));
  if (json) {
    DropHistograms(&manifest);
    context.out << ToJson(manifest) << "\n";
    return {};
  }
  PrintSummary(context, manifest);
  const auto chain = log.Chain(asked);
  std::string loads;
  if (chain.ok()) {
    for (const proto::Manifest& link : *chain) {
      loads += fmt::format("{}{}", loads.empty() ? "" : ", ", link.version());
    }
  }
  context.out << fmt::format("{:<16}{}\n\n", "loads", chain.ok() ? loads : "damaged");
  PrintPositions(context, manifest);
  context.out << "\n";
  PrintParts(context, manifest);
  return chain.status();
}

Outcome VerifyVersion(const Context& context,
                      const std::string& log_directory,
                      std::optional<uint64_t> version) {
  FRESHET_RETURN_IF_ERROR(CheckLogDirectory(context.env.files, log_directory));
  const VersionLog log(context.env.files, log_directory);
  FRESHET_ASSIGN_OR_RETURN(const VersionId asked, AskedOrNewest(log, version));
  FRESHET_RETURN_IF_ERROR(log.Verify(asked));
  FRESHET_ASSIGN_OR_RETURN(const std::vector<proto::Manifest> chain, log.Chain(asked));
  uint64_t parts = 0;
  uint64_t bytes = 0;
  for (const proto::Manifest& manifest : chain) {
    parts += static_cast<uint64_t>(manifest.parts_size());
    bytes += TotalsOf(manifest).bytes;
  }
  context.out << fmt::format(
      "version {} is whole: {} version(s), {} part(s), {} read and checked\n",
      asked.value(),
      chain.size(),
      parts,
      Bytes(bytes));
  return {};
}

Outcome VerifyAllVersions(const Context& context, const std::string& log_directory) {
  FRESHET_RETURN_IF_ERROR(CheckLogDirectory(context.env.files, log_directory));
  const VersionLog log(context.env.files, log_directory);
  FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> versions, log.List());
  std::map<VersionId, Status> found;  // of each version's own parts
  uint64_t damaged = 0;
  for (const VersionId version : versions) {
    const auto chain = log.Chain(version);
    Status status = chain.status();
    for (size_t i = 0; chain.ok() && status.ok() && i < chain->size(); ++i) {
      const VersionId link((*chain)[i].version());
      if (!found.contains(link)) {
        found[link] = log.VerifyParts((*chain)[i]);
      }
      status = Annotate(found[link],
                        link == version ? "" : fmt::format("needs version {}", link.value()));
    }
    if (status.ok()) {
      status = CheckBothForms(log, version);
    }
    // A coordinator may remove versions meanwhile, each before those that it needs.
    if (!status.ok() && absl::IsNotFound(log.ReadManifest(version).status())) {
      context.out << fmt::format("{}  removed meanwhile\n", version.value());
      continue;
    }
    damaged += status.ok() ? 0 : 1;
    context.out << fmt::format(
        "{}  {}\n", version.value(), status.ok() ? "whole" : "DAMAGED  " + MessageOf(status));
  }
  return damaged == 0
             ? Status()
             : DataLoss("{} of {} versions cannot be read whole", damaged, versions.size());
}

Outcome PinVersion(const Context& context,
                   const std::string& log_directory,
                   uint64_t version,
                   const std::string& note) {
  FRESHET_RETURN_IF_ERROR(CheckLogDirectory(context.env.files, log_directory));
  VersionLog log(context.env.files, log_directory);
  FRESHET_RETURN_IF_ERROR(log.Pin(VersionId(version), note));
  context.out << fmt::format("version {} is pinned\n", version);
  return {};
}

Outcome UnpinVersion(const Context& context, const std::string& log_directory, uint64_t version) {
  FRESHET_RETURN_IF_ERROR(CheckLogDirectory(context.env.files, log_directory));
  VersionLog log(context.env.files, log_directory);
  FRESHET_RETURN_IF_ERROR(log.Unpin(VersionId(version)));
  context.out << fmt::format("version {} is not pinned any more\n", version);
  return {};
}

}  // namespace freshet::freshetctl
