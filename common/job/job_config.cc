#include "common/job/job_config.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "common/config/config_file.h"
#include "common/config/delimited.h"
#include "common/config/nearest.h"
#include "common/job/deep_config.h"
#include "common/job/feature_policy_config.h"
#include "common/job/optimizer_config.h"
#include "common/job/receive_config.h"
#include "common/sample/feature_mapper.h"

namespace freshet {
namespace {

constexpr int64_t kMaxMilliseconds = 3'600'000;
constexpr uint32_t kMostOpenFiles = 100'000;
constexpr uint64_t kMostHeldOut = 10'000'000;
constexpr size_t kMostSlices = 32;  // each a bit of Score::slices

void ReadStream(const ConfigFile& file, const ConfigSection& section, FileStreamOptions* stream) {
  section.Required("path", &stream->path);
  if (section.Has("path") && stream->path.empty()) {
    section.Fail("path", "must not be empty");
  }
  stream->path = file.Resolve(stream->path);
  section.Optional("suffix", &stream->suffix);
  section.Optional("follow", &stream->follow);
  section.InRange<uint32_t>("open_files", 0, kMostOpenFiles, &stream->open_files);
  if (stream->open_files > 0 && !stream->follow) {
    section.Fail("open_files", "is of a stream that is followed: follow: true is missing");
  }
  section.Optional("header", &stream->header);
  constexpr uint64_t kMaxRecordBytes = 64U << 20U;
  section.Bytes("max_record_bytes", &stream->max_record_bytes);
  if (stream->max_record_bytes < 1 || stream->max_record_bytes > kMaxRecordBytes) {
    section.Fail("max_record_bytes",
                 fmt::format("must be from 1B to 64MiB, got {}B", stream->max_record_bytes));
  }
}

// A member of a JSON object, by its name.
void ReadMember(const ConfigSection& section, std::string* column) {
  section.Required("column", column);
  if (section.Has("column") && column->empty()) {
    section.Fail("column", "must not be empty");
  }
}

void ReadTimeUnit(const ConfigSection& section, SampleFormat* format) {
  size_t unit = 0;
  section.Choice("unit", {"s", "ms"}, &unit);
  format->time_unit =
      unit == 0 ? SampleFormat::TimeUnit::kSeconds : SampleFormat::TimeUnit::kMilliseconds;
}

// label, in all kinds; the column's name stays empty in libsvm and libffm, where the label comes
// first, and in protobuf, which has a field for it.
void ReadLabel(const ConfigSection& section, SampleFormat* format) {
  if (format->kind == SampleFormat::Kind::kDelimited) {
    ReadColumn(section, "column", format->columns, true, &format->label_column);
  } else if (format->kind == SampleFormat::Kind::kJson) {
    ReadMember(section, &format->label_column);
  }
  double positive_at_least = 0.0;
  if (section.Has("positive_at_least")) {
    section.Optional("positive_at_least", &positive_at_least);
    format->positive_at_least = positive_at_least;
  }
}

void ReadDelimitedFormat(const ConfigSection& section, SampleFormat* format) {
  DelimitedKeys keys;
  ReadDelimited(section, &keys);
  format->delimiter = keys.delimiter;
  format->quoted = keys.quoted;
  format->columns = keys.columns;
  if (section.Has("weight")) {
    ReadColumn(section.Section("weight"), "column", keys.columns, true, &format->weight_column);
  }
  if (section.Has("event_time")) {
    const ConfigSection event_time = section.Section("event_time");
    ReadColumn(event_time, "column", keys.columns, true, &format->event_time_column);
    ReadTimeUnit(event_time, format);
  }
}

void ReadJsonFormat(const ConfigSection& section, SampleFormat* format) {
  if (section.Has("weight")) {
    ReadMember(section.Section("weight"), &format->weight_column);
  }
  if (section.Has("event_time")) {
    const ConfigSection event_time = section.Section("event_time");
    ReadMember(event_time, &format->event_time_column);
    ReadTimeUnit(event_time, format);
  }
}

void ReadFormat(const ConfigSection& section, SampleFormat* format) {
  size_t kind = 0;
  section.Choice("kind", {"delimited", "libsvm", "libffm", "json", "protobuf"}, &kind);
  using Kind = SampleFormat::Kind;
  constexpr std::array kKinds = {
      Kind::kDelimited, Kind::kLibsvm, Kind::kLibffm, Kind::kJson, Kind::kProtobuf};
  format->kind = kKinds[kind];
  if (format->kind == Kind::kDelimited) {
    ReadDelimitedFormat(section, format);
  } else if (format->kind == Kind::kJson) {
    ReadJsonFormat(section, format);
  } else if (format->kind == Kind::kProtobuf) {
    bool required = false;
    section.Section("event_time").Optional("required", &required);
    format->event_time_column = required ? "event_time_ms" : "";
  }
  ReadLabel(section.Section("label"), format);
}

void ReadBuckets(const ConfigSection& section, proto::Slot* slot) {
  std::vector<double> buckets;
  section.Optional("buckets", &buckets);
  bool log_bucket = false;
  section.Optional("log_bucket", &log_bucket);
  slot->mutable_buckets()->Assign(buckets.begin(), buckets.end());
  slot->set_log_bucket(log_bucket);
  if (log_bucket && !buckets.empty()) {
    section.Fail("log_bucket", "cannot stand beside 'buckets'");
  }
  if (std::adjacent_find(buckets.begin(), buckets.end(), std::greater_equal<>()) != buckets.end()) {
    section.Fail("buckets", "must grow from each entry to the next");
  }
}

void ReadTransforms(const ConfigSection& section, bool has_arrays, proto::Slot* slot) {
  size_t choice = 0;
  section.Choice("combiner", {"sum", "mean", "sqrtn"}, &choice);
  slot->set_combiner(static_cast<proto::Slot::Combiner>(choice));
  choice = 0;
  section.Choice("numeric", {"none", "identity", "log"}, &choice);
  slot->set_numeric(static_cast<proto::Slot::Numeric>(choice));
  uint32_t max_length = 0;
  section.Optional("max_length", &max_length);
  slot->set_max_length(max_length);
  choice = 0;
  section.Choice("keep", {"last", "first"}, &choice);
  slot->set_keep_first(choice == 1);
  section.Optional("default", slot->mutable_default_value());
  if (max_length > 0 && slot->separator().empty() && !has_arrays) {
    section.Fail("max_length", "needs a 'separator': it limits how many values a slot has");
  }
  if (slot->numeric() != proto::Slot::NONE &&
      (slot->buckets_size() > 0 || slot->log_bucket() || !slot->separator().empty())) {
    section.Fail("numeric", "cannot stand beside 'buckets', 'log_bucket' or 'separator'");
  }
}

// A slot that pairs two others, and reads no column.
proto::Slot ReadCross(const ConfigSection& section) {
  proto::Slot slot;
  section.Required("name", slot.mutable_name());
  std::vector<std::string> cross;
  section.Optional("cross", &cross);
  if (cross.size() != 2 || cross[0] == cross[1]) {
    section.Fail("cross", "must name two different slots, as in [user, hour]");
  }
  slot.mutable_cross()->Assign(cross.begin(), cross.end());
  size_t side = 0;
  section.Choice("side", {"context", "item"}, &side);
  slot.set_side(side == 0 ? proto::Slot::CONTEXT : proto::Slot::ITEM);
  return slot;
}

std::vector<std::string> NamesOf(const std::vector<proto::Slot>& slots) {
  std::vector<std::string> names;
  names.reserve(slots.size());
  for (const proto::Slot& slot : slots) {
    names.push_back(slot.name());
  }
  return names;
}

// What it crosses is there, is no cross, and of its side.
void CheckCross(const ConfigSection& section,
                const proto::Slot& cross,
                const std::vector<proto::Slot>& slots) {
  const std::vector<std::string> names = NamesOf(slots);
  for (const std::string& name : cross.cross()) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      section.Fail("cross", fmt::format("names no slot: '{}'; {}", name, Suggestion(name, names)));
      continue;
    }
    const proto::Slot& slot = slots[static_cast<size_t>(found - names.begin())];
    if (slot.cross_size() > 0) {
      section.Fail("cross", fmt::format("must name plain slots, but '{}' is a cross", name));
    } else if (slot.side() != cross.side()) {
      section.Fail("cross",
                   fmt::format("must stay on its 'side', but '{}' is of the other: serving sees "
                               "context and items apart",
                               name));
    }
  }
}

proto::Slot ReadSlot(const ConfigSection& section, const SampleFormat& format) {
  proto::Slot slot;
  section.Required("name", slot.mutable_name());
  if (section.Has("name") && slot.name().empty()) {
    section.Fail("name", "must not be empty");
  }
  if (format.kind != SampleFormat::Kind::kDelimited && format.kind != SampleFormat::Kind::kLibsvm) {
    *slot.mutable_column() = slot.name();
    section.Optional("column", slot.mutable_column());
  }
  if (format.kind == SampleFormat::Kind::kJson) {
    section.Optional("separator", slot.mutable_separator());
    ReadBuckets(section, &slot);
    ReadTransforms(section, true, &slot);
  }
  if (format.kind == SampleFormat::Kind::kProtobuf) {
    ReadBuckets(section, &slot);
    ReadTransforms(section, true, &slot);
  }
  if (format.kind == SampleFormat::Kind::kDelimited) {
    // Without a column of its own, a slot reads the one that has its name.
    *slot.mutable_column() = slot.name();
    if (section.Has("column")) {
      ReadColumn(section, "column", format.columns, true, slot.mutable_column());
    } else {
      ReadColumn(section, "name", format.columns, false, slot.mutable_column());
    }
    section.Optional("separator", slot.mutable_separator());
    ReadBuckets(section, &slot);
    ReadTransforms(section, false, &slot);
  }
  size_t side = 0;
  section.Choice("side", {"context", "item"}, &side);
  slot.set_side(side == 0 ? proto::Slot::CONTEXT : proto::Slot::ITEM);
  return slot;
}

// The rules that slots have of their own are added to `rules`.
std::vector<proto::Slot> ReadSlots(const ConfigSection& root,
                                   const SampleFormat& format,
                                   proto::FeaturePolicy* rules) {
  std::vector<proto::Slot> slots;
  std::set<std::string> names;
  const std::vector<ConfigSection> sections = root.Sections("slots");
  for (const ConfigSection& section : sections) {
    ReadSlotRules(section, static_cast<uint32_t>(slots.size()), rules);
    const bool is_cross = format.kind != SampleFormat::Kind::kLibsvm && section.Has("cross");
    slots.push_back(is_cross ? ReadCross(section) : ReadSlot(section, format));
    if (!names.insert(slots.back().name()).second) {
      section.Fail("name",
                   fmt::format("must be distinct, but '{}' is there twice", slots.back().name()));
    }
  }
  for (size_t i = 0; i < slots.size(); ++i) {
    CheckCross(sections[i], slots[i], slots);
  }
  constexpr size_t kMaxSlots = std::numeric_limits<uint16_t>::max();
  if (slots.empty() || slots.size() > kMaxSlots) {
    root.Fail("slots", fmt::format("must list from 1 to {} slots", kMaxSlots));
  } else if (format.kind == SampleFormat::Kind::kLibsvm && slots.size() > 1) {
    root.Fail("slots", "must list one slot only: a libsvm line has no columns to tell them apart");
  }
  return slots;
}

// The settings alone; what they declare is seen once the slots are known.
ModelSettings ReadModel(const ConfigSection& section) {
  constexpr uint32_t kMaxFactors = 1024;
  ModelSettings model;
  section.Required("kind", &model.kind);
  section.InRange("factors", 1U, kMaxFactors, &model.factors);
  section.InRange("init_stddev", 0.0F, 100.0F, &model.init_stddev);
  section.Optional("seed", &model.seed);
  ReadDeepSettings(section, &model);
  model.value_type = ReadValueType(section);
  model.policy = ReadFeaturePolicy(section);
  model.optimizer =
      ReadOptimizer(section.Section("optimizer"), model.kind == "ledger" ? "ledger" : "adagrad");
  if (model.kind == "ledger" && !model.optimizer.has_ledger()) {
    section.Fail("optimizer", "must be of kind ledger, or left out, in a model of kind ledger");
  }
  model.dense_optimizer = section.Has("dense_optimizer")
                              ? ReadOptimizer(section.Section("dense_optimizer"), "adagrad")
                              : model.optimizer;
  return model;
}

proto::ValueType ReadWireType(const ConfigSection& section, const char* key) {
  size_t type = 0;
  section.Choice(key, {"f32", "f16", "bf16"}, &type);
  return std::array{proto::F32, proto::F16, proto::BF16}[type];
}

void ReadEarlyStopping(const ConfigSection& training, TrainingSettings* settings) {
  constexpr uint32_t kMostPatience = 1000;
  if (!training.HasMap("early_stopping")) {
    return;
  }
  const ConfigSection section = training.Section("early_stopping");
  EarlyStoppingSettings& rules = settings->early_stopping.emplace();
  section.Required("samples", &rules.samples);
  section.InRange("samples", uint64_t{1}, uint64_t{1} << 40U, &rules.samples);
  section.InRange("patience", 1U, kMostPatience, &rules.patience);
  section.InRange("min_improvement", 0.0, 1.0, &rules.min_improvement);
}

void ReadTraining(const ConfigFile& file,
                  const ConfigSection& section,
                  TrainingSettings* training) {
  constexpr uint32_t kMaxBatch = 1U << 20U;
  constexpr uint32_t kMaxInFlight = 64;
  constexpr uint32_t kMaxParseThreads = 64;
  constexpr uint32_t kMaxPasses = 10000;
  section.InRange("batch_size", 1U, kMaxBatch, &training->batch_size);
  section.Milliseconds("max_batch_wait", &training->max_batch_wait_ms);
  section.InRange("passes", 1U, kMaxPasses, &training->passes);
  ReadEarlyStopping(section, training);
  size_t consistency = 0;
  section.Choice("consistency", {"asp", "bsp", "ssp"}, &consistency);
  constexpr std::array kChoices = {Consistency::kAsp, Consistency::kBsp, Consistency::kSsp};
  training->consistency = kChoices[consistency];
  section.Optional("staleness", &training->staleness);
  if (section.Has("staleness") && training->consistency != Consistency::kSsp) {
    section.Fail("staleness", "goes with 'consistency: ssp' only");
  }
  const ConfigSection wire = section.Section("wire");
  training->wire_values = ReadWireType(wire, "values");
  training->wire_gradients = ReadWireType(wire, "gradients");
  size_t compression = 0;
  size_t products = 0;
  section.Choice("dense_products", {"f32", "bf16"}, &products);
  training->dense_products = products == 0 ? Products::kF32 : Products::kBf16;
  section.Choice("message_compress", {"none", "lz4", "zstd"}, &compression);
  training->message_compress = std::array{proto::PLAIN, proto::LZ4, proto::ZSTD}[compression];
  if (section.Has("dead_letters")) {
    section.Optional("dead_letters", &training->dead_letters);
    training->dead_letters = file.Resolve(training->dead_letters);
  }
  section.InRange("max_bad_share", 0.0, 1.0, &training->max_bad_share);
  section.InRange("batches_ahead", 0U, kMaxInFlight, &training->batches_ahead);
  section.InRange("pushes_in_flight", 1U, kMaxInFlight, &training->pushes_in_flight);
  section.Optional("announce", &training->announce);
  section.InRange("parse_threads", 1U, kMaxParseThreads, &training->parse_threads);
  section.Milliseconds("rpc_timeout", &training->rpc_timeout_ms);
  if (training->rpc_timeout_ms < 1 || training->rpc_timeout_ms > kMaxMilliseconds) {
    section.Fail("rpc_timeout", "must be from 1ms to 1h");
  }
  if (training->max_batch_wait_ms > kMaxMilliseconds) {
    section.Fail("max_batch_wait", "must be from 0ms to 1h");
  }
}

// A slot of the model; `key` names it.
void ReadSlotName(const ConfigSection& section,
                  const char* key,
                  const std::vector<proto::Slot>& slots,
                  std::string* slot) {
  section.Optional(key, slot);
  const std::vector<std::string> names = NamesOf(slots);
  if (section.Has(key) && std::find(names.begin(), names.end(), *slot) == names.end()) {
    section.Fail(key, fmt::format("names no slot: '{}'; {}", *slot, Suggestion(*slot, names)));
  }
}

void ReadHeldOut(const ConfigFile& file,
                 const ConfigSection& evaluation_section,
                 EvaluationSettings* evaluation) {
  if (!evaluation_section.HasMap("held_out")) {
    return;
  }
  const ConfigSection section = evaluation_section.Section("held_out");
  section.Required("path", &evaluation->held_out_path);
  evaluation->held_out_path = file.Resolve(evaluation->held_out_path);
  section.InRange("every", uint64_t{1}, kMostHeldOut, &evaluation->held_out_every);
  section.InRange("max_samples", uint64_t{1}, kMostHeldOut, &evaluation->held_out_max_samples);
}

void ReadEvaluation(const ConfigFile& file,
                    const ConfigSection& section,
                    const std::vector<proto::Slot>& slots,
                    EvaluationSettings* evaluation) {
  ReadSlotName(section, "group_by", slots, &evaluation->group_by);
  ReadHeldOut(file, section, evaluation);
  std::set<std::string> names;
  if (!evaluation->held_out_path.empty()) {
    names.insert(kHeldOut);
  }
  for (const ConfigSection& of_slice : section.Sections("slices")) {
    EvaluationSettings::Slice slice;
    of_slice.Required("name", &slice.name);
    of_slice.Required("value", &slice.value);
    ReadSlotName(of_slice, "slot", slots, &slice.slot);
    if (!of_slice.Has("slot")) {
      of_slice.Required("slot", &slice.slot);
    }
    if (!names.insert(slice.name).second) {
      of_slice.Fail("name", fmt::format("must be distinct, but '{}' is there twice", slice.name));
    }
    evaluation->slices.push_back(std::move(slice));
  }
  if (names.size() > kMostSlices) {
    section.Fail("slices", fmt::format("must be at most {}, held_out included", kMostSlices));
  }
}

}  // namespace

StatusOr<JobConfig> ReadJobConfig(ConfigFile& file) {
  JobConfig job;
  const ConfigSection root = file.root();
  ReadStream(file, root.Section("stream"), &job.stream);
  job.receive = ReadReceive(file, root.Section("stream"), &job.stream);
  ReadFormat(root.Section("format"), &job.format);
  if (job.format.kind == SampleFormat::Kind::kProtobuf) {
    job.stream.framing = FileStreamOptions::Framing::kMessages;
    if (job.stream.header || (job.receive && job.receive->drop_header)) {
      root.Section("stream").Fail("header", "is of lines, and protobuf has none");
    }
    if (job.receive && job.receive->from == ReceiveSettings::From::kLog) {
      root.Section("stream").Section("receive").Fail("from", "a log has lines, and no messages");
    }
  }
  proto::FeaturePolicy slot_rules;
  std::vector<proto::Slot> slots = ReadSlots(root, job.format, &slot_rules);
  const ConfigSection model = root.Section("model");
  ModelSettings settings = ReadModel(model);
  settings.policy.MergeFrom(slot_rules);
  FinishFeaturePolicy(model,
                      static_cast<uint32_t>(slots.size()),
                      !job.format.event_time_column.empty(),
                      &settings.policy);
  const ConfigSection training = root.Section("training");
  ReadTraining(file, training, &job.training);
  if (job.training.passes > 1 && job.stream.follow) {
    training.Fail("passes", "has no meaning for a stream that is followed: it has no second pass");
  }
  ReadEvaluation(file, root.Section("evaluation"), slots, &job.evaluation);
  if (job.training.early_stopping.has_value()) {
    if (job.stream.follow) {
      training.Fail("early_stopping", "a stream that is followed is never stopped");
    }
    if (job.evaluation.held_out_path.empty()) {
      training.Fail("early_stopping", "goes by held-out samples: set 'evaluation.held_out'");
    }
  }
  double negative_sampling = 1.0;
  training.InRange("negative_sampling", 1e-6, 1.0, &negative_sampling);

  // With a stand-in for the slots, so that their errors, which have been told, are not told again.
  proto::Slot stand_in;
  stand_in.set_name("slot");
  ModelSettings checked = settings;
  if (checked.kind != "ledger") {
    checked.policy.Clear();  // whose errors have been told too
  }
  if (const auto declared = DeclareModel(checked, {stand_in}); !declared.ok()) {
    model.Fail("kind", fmt::format("does not work: {}", MessageOf(declared.status())));
  }
  FRESHET_RETURN_IF_ERROR(file.Finish());
  FRESHET_ASSIGN_OR_RETURN(job.model, DeclareModel(settings, std::move(slots)));
  if (negative_sampling < 1.0) {
    job.model.set_negative_sampling(negative_sampling);
  }
  // What the file cannot get wrong any more; they are asked because they have the last word.
  FRESHET_ASSIGN_OR_RETURN(const FeatureMapper mapper, FeatureMapper::Make(job.model));
  FRESHET_RETURN_IF_ERROR(MakeSampleParser(job.format, mapper).status());
  return job;
}

StatusOr<JobConfig> LoadJobConfig(FileSystem& files, const std::string& path) {
  const auto file = ConfigFile::Load(files, path);
  if (absl::IsNotFound(file.status())) {
    return InvalidArgument("worker.job: {}", MessageOf(file.status()));
  }
  FRESHET_RETURN_IF_ERROR(file.status());
  return ReadJobConfig(**file);
}

}  // namespace freshet
