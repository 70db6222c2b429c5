#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/check.h"
#include "common/http/http_server.h"
#include "common/model/model.h"
#include "serving/json_reader.h"
#include "serving/lookup_requests.h"
#include "serving/model_store.h"
#include "serving/score_requests.h"

// An input is the endpoint (one byte), then the body of a request, or for the last endpoint its
// query. Whatever it is, the answer is a JSON object, or an error that blames the request.
namespace freshet::serving {
namespace {

proto::ModelSpec FuzzModel() {
  std::vector<proto::Slot> slots(4);
  const char* const names[] = {"user", "hour", "movie", "genre"};
  for (size_t i = 0; i < slots.size(); ++i) {
    slots[i].set_name(names[i]);
    slots[i].set_column(names[i]);
    slots[i].set_side(i < 2 ? proto::Slot::CONTEXT : proto::Slot::ITEM);
  }
  slots[1].set_log_bucket(true);
  slots[3].set_separator("|");
  ModelSettings settings;
  settings.kind = "fm";
  settings.factors = 2;
  settings.optimizer.mutable_sgd()->set_learning_rate(0.1F);
  settings.dense_optimizer.mutable_sgd()->set_learning_rate(0.1F);
  auto model = DeclareModel(settings, slots);
  FRESHET_CHECK(model.ok());
  return *std::move(model);
}

// A version with rows for some values of each slot, and four items.
std::unique_ptr<ModelStore> MakeStore() {
  CatalogueSettings settings;
  settings.columns = {"movie", "title", "genre"};
  settings.id_column = "movie";
  settings.title_column = "title";
  auto catalogue = Catalogue::Parse(settings, "1,One,a|b\n2,Tw\xff,b\n3,,\n4,Four,c\n");
  auto schema = Schema::Make(FuzzModel());
  FRESHET_CHECK(catalogue.ok() && schema.ok());
  auto store = std::make_unique<ModelStore>();
  store->SetCatalogue(*catalogue);
  PartContents part;
  EmbeddingRows& rows = part.embeddings.emplace_back();
  rows.variable = "factors";
  rows.dim = 3;
  for (const char* slot : {"user", "movie", "genre"}) {
    for (const char* value : {"1", "2", "a", "b"}) {
      rows.keys.push_back(HashKey(SlotSeed(slot), value));
      rows.values.insert(rows.values.end(), {0.5F, -1.0F, 3e38F});
    }
  }
  VersionFacts facts;
  facts.version = VersionId(1);
  const Status loaded =
      store->Load(facts, *schema, [&part](const Weights&, const ModelStore::AddPart& add) {
        add(part);
        return absl::OkStatus();
      });
  FRESHET_CHECK(loaded.ok());
  return store;
}

StatusOr<std::string> Answer(const Snapshot& snapshot, uint8_t endpoint, std::string_view input) {
  switch (endpoint % 5) {
    case 0:
      return Predict(snapshot, input);
    case 1:
      return Recall(snapshot, input);
    case 2:
      return Recommend(snapshot, input);
    case 3:
      return EmbeddingsByBody(snapshot, input);
    default: {
      FRESHET_ASSIGN_OR_RETURN(const Query query, Query::Parse(input));
      return EmbeddingsByQuery(snapshot, query);
    }
  }
}

void Run(std::string_view input) {
  static const std::unique_ptr<ModelStore> store = MakeStore();
  if (input.empty()) {
    return;
  }
  const ModelStore::ReadGuard snapshot = store->Acquire();
  const auto answer = Answer(*snapshot, static_cast<uint8_t>(input.front()), input.substr(1));
  if (answer.ok()) {
    const auto document = JsonDocument::Parse(*answer);
    FRESHET_CHECK(document.ok() && document->root().Has("version"));
  } else {
    FRESHET_CHECK(absl::IsInvalidArgument(answer.status()));
    FRESHET_CHECK(!answer.status().message().empty());
    const http::Response response = http::ErrorResponse(answer.status());
    FRESHET_CHECK(JsonDocument::Parse(response.body).ok());
  }
}

}  // namespace
}  // namespace freshet::serving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::serving::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
