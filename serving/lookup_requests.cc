#include "serving/lookup_requests.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "common/config/nearest.h"
#include "common/model/ledger.h"
#include "serving/json_reader.h"
#include "serving/json_writer.h"
#include "serving/score_requests.h"

namespace freshet::serving {
namespace {

struct EmbeddingsRequest {
  std::string variable;  // empty: the model's first
  std::vector<std::string> keys;
  std::string slot;
  std::vector<std::string> values;
};

StatusOr<size_t> VariableIndex(const proto::ModelSpec& model, const std::string& name) {
  std::vector<std::string> known;
  for (const proto::EmbeddingVariable& variable : model.embedding_variables()) {
    if (name.empty() || variable.name() == name) {
      return known.size();
    }
    known.push_back(variable.name());
  }
  return InvalidArgument("unknown embedding variable '{}'; {}", name, Suggestion(name, known));
}

StatusOr<std::vector<Key>> ParseKeys(const std::vector<std::string>& texts) {
  std::vector<Key> keys;
  for (const std::string& text : texts) {
    Key key = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, key);
    if (error != std::errc() || stop != end) {
      return InvalidArgument(
          "field 'keys[{}]' should be a whole number from 0 to 18446744073709551615, it is '{}'",
          keys.size(),
          text);
    }
    keys.push_back(key);
  }
  return keys;
}

StatusOr<std::vector<Key>> HashValues(const Schema& schema,
                                      const std::string& slot,
                                      const std::vector<std::string>& values) {
  FRESHET_ASSIGN_OR_RETURN(const size_t index, schema.mapper().SlotIndex(slot));
  std::vector<Key> keys;
  std::vector<Feature> features;
  for (const std::string& value : values) {
    features.clear();
    const Status mapped = schema.mapper().Map(index, value, &features);
    if (!mapped.ok()) {
      return Annotate(mapped, fmt::format("field 'values[{}]'", keys.size()));
    }
    if (features.size() != 1) {
      return InvalidArgument(
          "field 'values[{}]': '{}' makes {} features of slot '{}', it should make one",
          keys.size(),
          value,
          features.size(),
          slot);
    }
    keys.push_back(features.front().key);
  }
  return keys;
}

StatusOr<std::vector<Key>> KeysOf(const Schema& schema, const EmbeddingsRequest& request) {
  const size_t count = request.keys.size() + request.values.size();
  if (count > kMostKeys) {
    return InvalidArgument("{} keys, at most {} are allowed in a request", count, kMostKeys);
  }
  if (request.slot.empty() != request.values.empty() ||
      request.keys.empty() == request.slot.empty()) {
    return InvalidArgument(
        "a request should have either 'keys', or a 'slot' and 'values' of it; keys: {}, slot: "
        "'{}', values: {}",
        request.keys.size(),
        request.slot,
        request.values.size());
  }
  return request.slot.empty() ? ParseKeys(request.keys)
                              : HashValues(schema, request.slot, request.values);
}

void WriteRow(bool is_ledger, std::span<const float> row, JsonWriter* json) {
  if (row.empty()) {
    json->Null();
    return;
  }
  json->BeginArray();
  if (is_ledger) {
    const LedgerEntry entry = ReadLedger(row);
    json->String(std::to_string(entry.count)).String(std::to_string(entry.id_sum));
  } else {
    for (const float value : row) {
      json->Float(value);
    }
  }
  json->EndArray();
}

StatusOr<std::string> Embeddings(const Snapshot& snapshot, const EmbeddingsRequest& request) {
  const proto::ModelSpec& model = snapshot.schema()->model();
  FRESHET_ASSIGN_OR_RETURN(const size_t variable, VariableIndex(model, request.variable));
  FRESHET_ASSIGN_OR_RETURN(const std::vector<Key> keys, KeysOf(*snapshot.schema(), request));
  const RowTable& table = snapshot.weights().table(variable);
  JsonWriter json;
  json.BeginObject();
  WriteVersion(snapshot.facts(), &json);
  json.Key("variable").String(model.embedding_variables(static_cast<int>(variable)).name());
  json.Key("dim").Uint(table.dim());
  json.Key("keys").BeginArray();
  for (const Key key : keys) {
    json.String(std::to_string(key));
  }
  json.EndArray().Key("values").BeginArray();
  for (const Key key : keys) {
    WriteRow(snapshot.schema()->is_ledger(), table.Find(key), &json);
  }
  json.EndArray().EndObject();
  return json.Take();
}

StatusOr<std::vector<std::string>> OwnedStrings(const JsonObject& object, const char* name) {
  FRESHET_ASSIGN_OR_RETURN(const auto texts, object.Strings(name, kMostKeys));
  return std::vector<std::string>(texts.begin(), texts.end());
}

void WriteSlot(const proto::Slot& slot, JsonWriter* json) {
  json->BeginObject();
  json->Key("name").String(slot.name());
  json->Key("column").String(slot.column());
  json->Key("side").String(SideName(slot.side()));
  if (!slot.separator().empty()) {
    json->Key("separator").String(slot.separator());
  }
  if (slot.buckets_size() > 0) {
    json->Key("buckets").BeginArray();
    for (const double bucket : slot.buckets()) {
      json->Double(bucket);
    }
    json->EndArray();
  }
  if (slot.log_bucket()) {
    json->Key("log_bucket").Bool(true);
  }
  json->EndObject();
}

void WriteFields(const Schema& schema, proto::Slot::Side side, JsonWriter* json) {
  json->BeginArray();
  for (const Field& field : schema.fields(side)) {
    json->String(field.column);
  }
  json->EndArray();
}

void WriteItems(const Snapshot& snapshot, JsonWriter* json) {
  const StatusOr<size_t> items = RecommendableItems(snapshot);
  json->BeginObject();
  json->Key("count").Uint(items.value_or(0));
  if (!items.ok()) {
    json->Key("problem").String(MessageOf(items.status()));
  }
  json->EndObject();
}

void WriteMetrics(const proto::VersionMetrics& metrics, JsonWriter* json) {
  json->BeginObject();
  json->Key("samples").Uint(metrics.samples());
  json->Key("auc").Double(metrics.auc());
  json->Key("log_loss").Double(metrics.log_loss());
  json->Key("calibration").Double(metrics.calibration());
  json->Key("total_samples").Uint(metrics.total_samples());
  json->Key("total_auc").Double(metrics.total_auc());
  json->Key("total_log_loss").Double(metrics.total_log_loss());
  json->Key("total_calibration").Double(metrics.total_calibration());
  json->EndObject();
}

const char* KindName(proto::Manifest::Kind kind) {
  switch (kind) {
    case proto::Manifest::BASE:
      return "base";
    case proto::Manifest::ROLLBACK:
      return "rollback";
    default:
      return "delta";
  }
}

void WriteManifest(const proto::Manifest& manifest, JsonWriter* json) {
  uint64_t rows = 0;
  uint64_t tombstones = 0;
  uint64_t bytes = 0;
  for (const proto::PartFile& part : manifest.parts()) {
    rows += part.rows();
    tombstones += part.tombstones();
    bytes += part.bytes();
  }
  json->Key("kind").String(KindName(manifest.kind()));
  json->Key("parent").Uint(manifest.parent());
  json->Key("epoch").Uint(manifest.epoch());
  json->Key("created_unix_ms").Int(manifest.created_unix_ms());
  json->Key("newest_arrival_ms").Int(manifest.newest_arrival_ms());
  json->Key("event_time_watermark_ms").Int(manifest.event_time_watermark_ms());
  json->Key("parts").Uint(static_cast<uint64_t>(manifest.parts_size()));
  json->Key("rows").Uint(rows);
  json->Key("tombstones").Uint(tombstones);
  json->Key("bytes").Uint(bytes);
  json->Key("metrics");
  WriteMetrics(manifest.metrics(), json);
}

StatusOr<uint64_t> ParseLimit(const Query& query) {
  const std::string text = query.Get("limit", "20");
  uint64_t limit = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, limit);
  if (error != std::errc() || stop != end || limit < 1 || limit > kMostVersions) {
    return InvalidArgument(
        "query: 'limit' should be a whole number from 1 to {}, it is '{}'", kMostVersions, text);
  }
  return limit;
}

}  // namespace

StatusOr<std::string> EmbeddingsByBody(const Snapshot& snapshot, std::string_view body) {
  FRESHET_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(body));
  const JsonObject object = document.root();
  FRESHET_RETURN_IF_ERROR(object.OnlyKnown({"variable", "keys", "slot", "values"}));
  EmbeddingsRequest request;
  if (object.Has("variable")) {
    FRESHET_ASSIGN_OR_RETURN(request.variable, object.String("variable"));
  }
  if (object.Has("slot")) {
    FRESHET_ASSIGN_OR_RETURN(request.slot, object.String("slot"));
  }
  FRESHET_ASSIGN_OR_RETURN(request.keys, OwnedStrings(object, "keys"));
  FRESHET_ASSIGN_OR_RETURN(request.values, OwnedStrings(object, "values"));
  return Embeddings(snapshot, request);
}

StatusOr<std::string> EmbeddingsByQuery(const Snapshot& snapshot, const Query& query) {
  FRESHET_RETURN_IF_ERROR(query.OnlyKnown({"variable", "keys", "slot", "values"}));
  return Embeddings(snapshot,
                    {.variable = query.Get("variable", ""),
                     .keys = query.All("keys"),
                     .slot = query.Get("slot", ""),
                     .values = query.All("values")});
}

std::string DescribeModel(const Snapshot& snapshot) {
  const Schema& schema = *snapshot.schema();
  const proto::ModelSpec& model = schema.model();
  JsonWriter json;
  json.BeginObject();
  WriteVersion(snapshot.facts(), &json);
  json.Key("kind").String(model.kind());
  json.Key("factors").Uint(model.factors());
  json.Key("fields").BeginObject();
  json.Key("context");
  WriteFields(schema, proto::Slot::CONTEXT, &json);
  json.Key("item");
  WriteFields(schema, proto::Slot::ITEM, &json);
  json.EndObject();
  json.Key("slots").BeginArray();
  for (const proto::Slot& slot : model.slots()) {
    WriteSlot(slot, &json);
  }
  json.EndArray();
  json.Key("variables").BeginArray();
  for (int i = 0; i < model.embedding_variables_size(); ++i) {
    json.BeginObject();
    json.Key("name").String(model.embedding_variables(i).name());
    json.Key("dim").Uint(model.embedding_variables(i).dim());
    json.Key("rows").Uint(snapshot.weights().table(static_cast<size_t>(i)).size());
    json.EndObject();
  }
  json.EndArray();
  json.Key("items");
  WriteItems(snapshot, &json);
  json.EndObject();
  return json.Take();
}

StatusOr<std::string> ListVersions(const VersionFacts& served,
                                   const LogFollower& follower,
                                   const Query& query) {
  FRESHET_RETURN_IF_ERROR(query.OnlyKnown({"limit"}));
  FRESHET_ASSIGN_OR_RETURN(const uint64_t limit, ParseLimit(query));
  FRESHET_ASSIGN_OR_RETURN(std::vector<VersionId> versions, follower.log().List());
  std::reverse(versions.begin(), versions.end());
  const uint64_t total = versions.size();
  versions.resize(std::min<size_t>(versions.size(), limit));
  const std::map<VersionId, std::string> refused = follower.refused();
  JsonWriter json;
  json.BeginObject();
  WriteVersion(served, &json);
  json.Key("total").Uint(total);
  json.Key("versions").BeginArray();
  for (const VersionId version : versions) {
    json.BeginObject();
    json.Key("version").Uint(version.value());
    json.Key("served").Bool(version == served.version);
    if (const auto reason = refused.find(version); reason != refused.end()) {
      json.Key("refused").String(reason->second);
    }
    if (const auto manifest = follower.log().ReadManifest(version); manifest.ok()) {
      WriteManifest(*manifest, &json);
    } else {
      json.Key("error").String(MessageOf(manifest.status()));
    }
    json.EndObject();
  }
  json.EndArray().EndObject();
  return json.Take();
}

}  // namespace freshet::serving
