#include "serving/score_requests.h"

#include <algorithm>
#include <vector>

#include "common/model/model.h"
#include "serving/json_reader.h"
#include "serving/scorer.h"

namespace freshet::serving {
namespace {

Status MapFields(const Schema& schema,
                 proto::Slot::Side side,
                 const JsonObject& object,
                 std::vector<Feature>* features) {
  const size_t begin = features->size();
  std::set<const Field*> given;
  FRESHET_ASSIGN_OR_RETURN(const auto fields, object.Fields());
  for (const auto& [name, raw] : fields) {
    const StatusOr<const Field*> field = schema.FindField(side, name);
    if (!field.ok()) {
      return Annotate(field.status(), object.path());
    }
    if (const Status mapped = schema.Map(**field, raw, features); !mapped.ok()) {
      return Annotate(mapped, fmt::format("field '{}.{}'", object.path(), name));
    }
    given.insert(*field);
  }
  return schema.FinishSide(side, given, begin, features);
}

// A context that is not there is one of which nothing is known.
StatusOr<std::vector<Feature>> MapContext(const Schema& schema, const JsonObject& request) {
  std::vector<Feature> features;
  if (request.Has("context")) {
    FRESHET_ASSIGN_OR_RETURN(const JsonObject context, request.Object("context"));
    FRESHET_RETURN_IF_ERROR(MapFields(schema, proto::Slot::CONTEXT, context, &features));
  } else {
    FRESHET_RETURN_IF_ERROR(schema.FinishSide(proto::Slot::CONTEXT, {}, 0, &features));
  }
  return features;
}

StatusOr<std::vector<float>> ScoreCandidates(const Snapshot& snapshot,
                                             std::span<const Feature> context,
                                             const JsonObject& request) {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<JsonObject> candidates,
                           request.Objects("candidates", kMostCandidates));
  std::vector<Feature> features;
  std::vector<size_t> ends;
  for (const JsonObject& candidate : candidates) {
    FRESHET_RETURN_IF_ERROR(MapFields(*snapshot.schema(), proto::Slot::ITEM, candidate, &features));
    ends.push_back(features.size());
  }
  std::vector<std::span<const Feature>> items;
  for (size_t begin = 0; const size_t end : ends) {
    items.push_back(std::span<const Feature>(features).subspan(begin, end - begin));
    begin = end;
  }
  return LogitsOf(snapshot, context, items);
}

StatusOr<std::vector<uint32_t>> FindItems(const Snapshot& snapshot, const JsonObject& request) {
  FRESHET_RETURN_IF_ERROR(CheckItems(snapshot));
  FRESHET_ASSIGN_OR_RETURN(const auto ids, request.Strings("items", kMostCandidates));
  std::vector<uint32_t> items;
  for (const std::string_view id : ids) {
    const std::optional<uint32_t> item = snapshot.catalogue()->Find(id);
    if (!item.has_value()) {
      return InvalidArgument("field 'items[{}]': the catalogue has no item '{}'", items.size(), id);
    }
    items.push_back(*item);
  }
  return items;
}

StatusOr<std::vector<float>> ScoreItems(const Snapshot& snapshot,
                                        std::span<const Feature> context,
                                        const JsonObject& request) {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<uint32_t> items, FindItems(snapshot, request));
  return LogitsOfItems(snapshot, context, items);
}

// Ascending. An id that the catalogue does not have excludes nothing: items come and go.
StatusOr<std::vector<uint32_t>> Excluded(const Snapshot& snapshot, const JsonObject& request) {
  FRESHET_ASSIGN_OR_RETURN(const auto ids, request.Strings("exclude", kMostExcluded));
  std::vector<uint32_t> items;
  for (const std::string_view id : ids) {
    if (const std::optional<uint32_t> item = snapshot.catalogue()->Find(id)) {
      items.push_back(*item);
    }
  }
  std::sort(items.begin(), items.end());
  return items;
}

// Items to score: what recall finds, or all.
std::vector<Hit> Candidates(const Snapshot& snapshot,
                            std::span<const Feature> context,
                            size_t count,
                            std::span<const uint32_t> excluded) {
  if (snapshot.schema()->has_sides()) {
    return snapshot.index().Search(Scorer(snapshot, context).query(), count, excluded);
  }
  std::vector<Hit> all;
  for (uint32_t item = 0; item < snapshot.items()->size(); ++item) {
    if (!std::binary_search(excluded.begin(), excluded.end(), item)) {
      all.push_back({.item = item});
    }
  }
  return all;
}

void ScoreHits(const Snapshot& snapshot, std::span<const Feature> context, std::vector<Hit>* hits) {
  std::vector<uint32_t> items;
  items.reserve(hits->size());
  for (const Hit& hit : *hits) {
    items.push_back(hit.item);
  }
  const std::vector<float> logits = LogitsOfItems(snapshot, context, items);
  for (size_t i = 0; i < hits->size(); ++i) {
    (*hits)[i].score = logits[i];
  }
}

}  // namespace

void WriteVersion(const VersionFacts& facts, JsonWriter* json) {
  json->Key("version").Uint(facts.version.value());
  if (facts.restores.value() != 0) {
    json->Key("restores").Uint(facts.restores.value());
  }
}

StatusOr<std::string> Predict(const Snapshot& snapshot, std::string_view body) {
  FRESHET_RETURN_IF_ERROR(CheckScores(snapshot));
  FRESHET_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(body));
  const JsonObject request = document.root();
  FRESHET_RETURN_IF_ERROR(request.OnlyKnown({"context", "candidates", "items"}));
  if (request.Has("candidates") == request.Has("items")) {
    return InvalidArgument(
        "a request should have either 'candidates' (objects with the item's fields) or 'items' "
        "(ids of the catalogue), this one has {}",
        request.Has("items") ? "both" : "neither");
  }
  FRESHET_ASSIGN_OR_RETURN(const std::vector<Feature> context,
                           MapContext(*snapshot.schema(), request));
  FRESHET_ASSIGN_OR_RETURN(const std::vector<float> logits,
                           request.Has("items") ? ScoreItems(snapshot, context, request)
                                                : ScoreCandidates(snapshot, context, request));
  JsonWriter json;
  json.BeginObject();
  WriteVersion(snapshot.facts(), &json);
  json.Key("scores").BeginArray();
  for (const float logit : logits) {
    json.Float(Sigmoid(logit + snapshot.schema()->logit_shift()));
  }
  json.EndArray().EndObject();
  return json.Take();
}

StatusOr<std::string> Recall(const Snapshot& snapshot, std::string_view body) {
  FRESHET_RETURN_IF_ERROR(CheckRecall(snapshot));
  FRESHET_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(body));
  const JsonObject request = document.root();
  FRESHET_RETURN_IF_ERROR(request.OnlyKnown({"context", "k", "exclude"}));
  FRESHET_ASSIGN_OR_RETURN(const uint64_t k, request.Number("k", 100, 1, kMostCandidates));
  FRESHET_ASSIGN_OR_RETURN(const std::vector<uint32_t> excluded, Excluded(snapshot, request));
  FRESHET_ASSIGN_OR_RETURN(const std::vector<Feature> context,
                           MapContext(*snapshot.schema(), request));
  const Scorer scorer(snapshot, context);
  JsonWriter json;
  json.BeginObject();
  WriteVersion(snapshot.facts(), &json);
  json.Key("items").BeginArray();
  for (const Hit& hit : snapshot.index().Search(scorer.query(), k, excluded)) {
    json.BeginObject();
    json.Key("id").String(snapshot.catalogue()->Id(hit.item));
    json.Key("score").Float(scorer.LogitOfItem(hit.item) + snapshot.schema()->logit_shift());
    json.EndObject();
  }
  json.EndArray().EndObject();
  return json.Take();
}

StatusOr<std::string> Recommend(const Snapshot& snapshot, std::string_view body) {
  FRESHET_RETURN_IF_ERROR(CheckRecommend(snapshot));
  FRESHET_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(body));
  const JsonObject request = document.root();
  FRESHET_RETURN_IF_ERROR(request.OnlyKnown({"context", "k", "exclude", "candidates"}));
  FRESHET_ASSIGN_OR_RETURN(const uint64_t k, request.Number("k", 10, 1, kMostCandidates));
  FRESHET_ASSIGN_OR_RETURN(
      const uint64_t candidates,
      request.Number("candidates", std::max<uint64_t>(200, k), k, kMostCandidates));
  FRESHET_ASSIGN_OR_RETURN(const std::vector<uint32_t> excluded, Excluded(snapshot, request));
  FRESHET_ASSIGN_OR_RETURN(const std::vector<Feature> context,
                           MapContext(*snapshot.schema(), request));
  std::vector<Hit> hits = Candidates(snapshot, context, candidates, excluded);
  ScoreHits(snapshot, context, &hits);
  std::stable_sort(
      hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.score > b.score; });
  hits.resize(std::min<size_t>(hits.size(), k));
  JsonWriter json;
  json.BeginObject();
  WriteVersion(snapshot.facts(), &json);
  json.Key("items").BeginArray();
  for (const Hit& hit : hits) {
    json.BeginObject();
    json.Key("id").String(snapshot.catalogue()->Id(hit.item));
    if (snapshot.catalogue()->has_titles()) {
      json.Key("title").String(snapshot.catalogue()->Title(hit.item));
    }
    json.Key("score").Float(Sigmoid(hit.score + snapshot.schema()->logit_shift()));
    json.EndObject();
  }
  json.EndArray().EndObject();
  return json.Take();
}

}  // namespace freshet::serving
