#include "common/cluster/cluster_config.h"

#include <limits>

#include "common/cluster/cluster_ports.h"
#include "common/cluster/event_kinds.h"
#include "common/config/config_file.h"
#include "common/config/delimited.h"

namespace freshet {
namespace {

constexpr uint32_t kMaxPartitions = 65536;
constexpr uint32_t kMaxProcesses = 1024;
constexpr uint32_t kMaxThreads = 256;
constexpr uint64_t kLeastDramBytes = 4U << 20U;
constexpr int64_t kMaxMilliseconds = 24LL * 3600 * 1000;
constexpr int64_t kMaxKeepMilliseconds = 366 * kMaxMilliseconds;

// A duration from `least` to a day.
void ReadDuration(const ConfigSection& section,
                  const char* key,
                  int64_t least_ms,
                  int64_t* milliseconds) {
  section.Milliseconds(key, milliseconds);
  if (*milliseconds < least_ms || *milliseconds > kMaxMilliseconds) {
    section.Fail(key, fmt::format("must be from {}ms to 24h, got {}ms", least_ms, *milliseconds));
  }
}

// A path that is not empty, from the file's folder.
void ReadPath(const ConfigFile& file,
              const ConfigSection& section,
              const char* key,
              std::string* path) {
  section.Required(key, path);
  if (!section.Has(key)) {
    return;
  }
  if (path->empty()) {
    section.Fail(key, "must not be empty");
    return;
  }
  *path = file.Resolve(*path);
}

// `count: 2`, or `hosts: [a, b]`, one process each.
void ReadHosts(const ConfigSection& section, uint32_t least, std::vector<std::string>* hosts) {
  if (section.Has("hosts") && section.Has("count")) {
    section.Fail("count", "cannot stand beside 'hosts', which has one entry per process");
    return;
  }
  if (section.Has("hosts")) {
    section.Optional("hosts", hosts);
    for (const std::string& host : *hosts) {
      if (host.empty()) {
        section.Fail("hosts", "must not hold an empty name");
      }
    }
    if (hosts->size() < least || hosts->size() > kMaxProcesses) {
      section.Fail("hosts", fmt::format("must have from {} to {} entries", least, kMaxProcesses));
    }
    return;
  }
  auto count = static_cast<uint32_t>(hosts->size());
  section.InRange("count", least, kMaxProcesses, &count);
  hosts->assign(count, "127.0.0.1");
}

void ReadCluster(const ConfigFile& file, const ConfigSection& section, ClusterConfig* config) {
  section.Optional("name", &config->name);
  ReadPath(file, section, "run_dir", &config->run_dir);
  ReadPath(file, section, "log_dir", &config->log_dir);
  section.InRange("partitions", 1U, kMaxPartitions, &config->partition_count);
}

void ReadLog(const ConfigSection& section, LogSettings* log) {
  const std::vector<std::string> levels = {"trace", "debug", "info", "warn", "error"};
  size_t level = 2;
  section.Choice("level", levels, &level);
  log->level = levels[level];
  size_t format = 0;
  section.Choice("format", {"text", "json"}, &format);
  log->json = format == 1;
}

constexpr double kHuge = 1e9;

void ReadOptional(const ConfigSection& section,
                  const char* key,
                  double least,
                  double most,
                  std::optional<double>* value) {
  if (!section.Has(key)) {
    return;
  }
  double number = 0.0;
  section.InRange(key, least, most, &number);
  *value = number;
}

void ReadGate(const ConfigSection& section, GateRules* gate) {
  section.Optional("held_out", &gate->held_out);
  section.Optional("min_samples", &gate->min_samples);
  ReadOptional(section, "min_auc", 0.0, 1.0, &gate->min_auc);
  ReadOptional(section, "max_auc_drop", 0.0, 1.0, &gate->max_auc_drop);
  ReadOptional(section, "max_log_loss", 0.0, kHuge, &gate->max_log_loss);
  ReadOptional(section, "max_log_loss_rise", 0.0, kHuge, &gate->max_log_loss_rise);
  ReadOptional(section, "min_calibration", 0.0, kHuge, &gate->min_calibration);
  ReadOptional(section, "max_calibration", 0.0, kHuge, &gate->max_calibration);
  ReadOptional(section, "max_bad_rows", 0.0, 1.0, &gate->max_bad_rows);
  section.InRange("row_limit", 0.0F, std::numeric_limits<float>::max(), &gate->row_limit);
  section.Optional("rollback_after", &gate->rollback_after);
  section.Optional("rollback_skips", &gate->rollback_skips);
  if (gate->min_samples == 0) {
    section.Fail("min_samples", "must be at least 1");
  }
  for (const auto* rule : {&gate->min_auc,
                           &gate->max_auc_drop,
                           &gate->max_log_loss,
                           &gate->max_log_loss_rise,
                           &gate->min_calibration,
                           &gate->max_calibration,
                           &gate->max_bad_rows}) {
    gate->enabled = gate->enabled || rule->has_value();
  }
}

void ReadCalibration(const ConfigFile& file,
                     const ConfigSection& coordinator,
                     std::optional<CalibrationRules>* calibration) {
  const ConfigSection section = coordinator.Section("calibration");
  CalibrationRules rules;
  const bool wanted = coordinator.HasMap("calibration");
  section.Optional("log_dir", &rules.log_dir);
  if (wanted && rules.log_dir.empty()) {
    section.Fail("log_dir", "is required: the log in which the other job publishes its bases");
  }
  if (!rules.log_dir.empty()) {
    rules.log_dir = file.Resolve(rules.log_dir);
  }
  ReadDuration(section, "every", 100, &rules.every_ms);
  section.InRange("base_weight", 0.0, 1.0, &rules.base_weight);
  ReadOptional(section, "max_log_loss_rise", 0.0, kHuge, &rules.max_log_loss_rise);
  if (wanted) {
    *calibration = std::move(rules);
  }
}

void ReadHook(const ConfigSection& section, HookSettings* hook) {
  section.Required("on", &hook->on);
  section.Optional("command", &hook->command);
  section.Optional("url", &hook->url);
  if (hook->on.empty()) {
    section.Fail("on", "must name at least one kind of event (docs/events.md)");
  }
  if (const Status known = CheckEventKinds(hook->on); !known.ok()) {
    section.Fail("on", MessageOf(known));
  }
  if (hook->command.empty() == hook->url.empty()) {
    section.Fail("on", "needs one of 'command' and 'url' beside it, and not both");
  }
  if (!hook->url.empty() && hook->url.rfind("http://", 0) != 0) {
    section.Fail("url", "must begin with http://");
  }
  ReadDuration(section, "timeout", 1, &hook->timeout_ms);
  section.InRange("retries", 0U, 100U, &hook->retries);
}

void ReadCoordinator(const ConfigFile& file,
                     const ConfigSection& section,
                     CoordinatorSettings* coordinator) {
  section.Optional("host", &coordinator->host);
  if (coordinator->host.empty()) {
    section.Fail("host", "must not be empty");
  }
  section.Optional("port", &coordinator->port);
  section.Optional("http_port", &coordinator->http_port);
  if (section.Has("state_dir")) {
    ReadPath(file, section, "state_dir", &coordinator->state_dir);
  }
  ReadDuration(section, "cut_every", 10, &coordinator->cut_every_ms);
  section.InRange("base_every", 1U, std::numeric_limits<uint32_t>::max(), &coordinator->base_every);
  section.InRange("base_growth", 0.01, 1e6, &coordinator->base_growth);
  section.Optional("final_base", &coordinator->final_base);
  if (section.Has("report")) {
    ReadPath(file, section, "report", &coordinator->report);
  }
  section.Optional("keep_versions", &coordinator->keep_versions);
  section.Milliseconds("keep_for", &coordinator->keep_for_ms);
  if (coordinator->keep_for_ms < 0 || coordinator->keep_for_ms > kMaxKeepMilliseconds) {
    section.Fail("keep_for", "must be from 0s to 8784h");
  }
  size_t serving_values = 0;
  section.Choice("serving_values", {"as_stored", "f16", "int8"}, &serving_values);
  coordinator->serving_values = static_cast<proto::ServingValues>(serving_values);
  size_t compress = 0;
  section.Choice("compress", {"none", "zstd"}, &compress);
  coordinator->zstd = compress == 1;
  ReadGate(section.Section("gate"), &coordinator->gate);
  ReadCalibration(file, section, &coordinator->calibration);
  section.Optional("publish", &coordinator->publish);
  ReadDuration(section, "watermark_every", 1, &coordinator->watermark_every_ms);
  for (const ConfigSection& hook : section.Sections("hooks")) {
    ReadHook(hook, &coordinator->hooks.emplace_back());
  }
  ReadDuration(section, "member_timeout", 100, &coordinator->member_timeout_ms);
  ReadDuration(section, "rpc_timeout", 1, &coordinator->rpc_timeout_ms);
  ReadDuration(section, "restore_timeout", 1, &coordinator->restore_timeout_ms);
}

void ReadStorage(const ConfigFile& file, const ConfigSection& section, StorageSettings* storage) {
  size_t type = 0;
  section.Choice("type", {"dram", "dram_ssd"}, &type);
  storage->on_ssd = type == 1;
  if (!storage->on_ssd) {
    for (const char* key : {"dram_bytes", "path"}) {
      if (section.Has(key)) {
        section.Fail(key, "goes with 'type: dram_ssd' only: rows of 'dram' take what they need");
      }
    }
    return;
  }
  ReadPath(file, section, "path", &storage->path);
  section.Bytes("dram_bytes", &storage->dram_bytes);
  if (storage->dram_bytes < kLeastDramBytes) {
    section.Fail("dram_bytes",
                 section.Has("dram_bytes")
                     ? fmt::format("must be at least 4MiB, got {} bytes", storage->dram_bytes)
                     : "is missing: the memory that a server may use for rows, such as 8GiB");
  }
}

void ReadPs(const ConfigFile& file,
            const ConfigSection& section,
            uint32_t partition_count,
            PsSettings* ps) {
  ReadHosts(section, 1, &ps->hosts);
  section.Optional("port", &ps->port);
  section.Optional("http_port", &ps->http_port);
  section.InRange("owner_threads", 1U, kMaxThreads, &ps->owner_threads);
  section.InRange("io_threads", 1U, kMaxThreads, &ps->io_threads);
  ReadStorage(file, section.Section("storage"), &ps->storage);
  const uint64_t owners = static_cast<uint64_t>(ps->hosts.size()) * ps->owner_threads;
  if (owners > partition_count) {
    section.Fail(section.Has("owner_threads") ? "owner_threads" : "count",
                 fmt::format("makes {} owner threads in all, but there are only {} partitions to "
                             "own; raise 'partitions' in 'cluster'",
                             owners,
                             partition_count));
  }
}

void ReadWorker(const ConfigFile& file, const ConfigSection& section, WorkerSettings* worker) {
  ReadHosts(section, 1, &worker->hosts);
  section.Optional("http_port", &worker->http_port);
  ReadPath(file, section, "job", &worker->job);
}

void ReadCatalogue(const ConfigFile& file,
                   const ConfigSection& section,
                   CatalogueSettings* catalogue) {
  ReadPath(file, section, "path", &catalogue->path);
  DelimitedKeys keys;
  ReadDelimited(section, &keys);
  section.Optional("header", &catalogue->header);
  ReadColumn(section, "id_column", keys.columns, true, &catalogue->id_column);
  ReadColumn(section, "title_column", keys.columns, false, &catalogue->title_column);
  catalogue->delimiter = keys.delimiter;
  catalogue->quoted = keys.quoted;
  catalogue->columns = keys.columns;
}

void ReadServing(const ConfigFile& file, const ConfigSection& section, ServingSettings* serving) {
  ReadHosts(section, 0, &serving->hosts);
  section.Optional("http_port", &serving->http_port);
  section.InRange("http_threads", 1U, kMaxThreads, &serving->http_threads);
  ReadDuration(section, "poll_every", 1, &serving->poll_every_ms);
  if (section.Has("catalogue")) {
    ReadCatalogue(file, section.Section("catalogue"), &serving->catalogue);
  }
}

}  // namespace

StatusOr<ClusterConfig> ReadClusterConfig(ConfigFile& file) {
  ClusterConfig config;
  config.path = file.absolute_path();
  config.name = "freshet";
  const ConfigSection root = file.root();
  ReadCluster(file, root.Section("cluster"), &config);
  ReadLog(root.Section("log"), &config.log);
  ReadCoordinator(file, root.Section("coordinator"), &config.coordinator);
  ReadPs(file, root.Section("ps"), config.partition_count, &config.ps);
  ReadWorker(file, root.Section("worker"), &config.worker);
  ReadServing(file, root.Section("serving"), &config.serving);
  CheckPorts(config, root);
  if (config.coordinator.state_dir.empty()) {
    config.coordinator.state_dir = config.run_dir + "/coordinator";
  }
  FRESHET_RETURN_IF_ERROR(file.Finish());
  return config;
}

StatusOr<ClusterConfig> LoadClusterConfig(FileSystem& files, const std::string& path) {
  FRESHET_ASSIGN_OR_RETURN(const auto file, ConfigFile::Load(files, path));
  return ReadClusterConfig(*file);
}

}  // namespace freshet
