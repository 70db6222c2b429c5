#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "common/check.h"
#include "coordinator/event_log.h"
#include "coordinator/state_store.h"
#include "tests/common/cluster/temp_folder.h"
#include "tests/fuzz/request_input.h"

// An input is what the coordinator's state holds: keys and values, each behind its length
// (request_input.h). A key's first byte says what it begins with. All of it is read, or refused
// with a reason; and the coordinator can go on.
namespace freshet::coordinator {
namespace {

constexpr const char* kPrefixes[] = {"epoch", "version", "event/", "hook/", "scores/", ""};
constexpr int kMaxEntries = 16;

std::string TextOf(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void Fill(const std::string& path, std::span<const uint8_t> input) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  FRESHET_CHECK(rocksdb::DB::Open(options, path, &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  for (int i = 0; i < kMaxEntries && !input.empty(); ++i) {
    std::string key = TextOf(fuzz::TakeCounted(input));
    if (!key.empty()) {
      const auto kind = static_cast<unsigned char>(key[0]);
      key = kPrefixes[kind % std::size(kPrefixes)] + key.substr(1);
    }
    FRESHET_CHECK(db->Put(rocksdb::WriteOptions(), key, TextOf(fuzz::TakeCounted(input))).ok());
  }
}

void CheckStatus(const Status& status) {
  FRESHET_CHECK(status.ok() || absl::IsDataLoss(status));
}

void Use(StateStore& store) {
  CheckStatus(store.LastEpoch().status());
  CheckStatus(store.LastVersion().status());
  CheckStatus(store.HookPosition("a").status());
  const auto all = [](const Event&) { return true; };
  const auto events = store.NewestEvents(1000, all);
  FRESHET_CHECK(events.ok() && store.EventsAfter(0, 1000, all).ok());
  const auto scores = store.Scores();
  CheckStatus(scores.status());
  for (const Event& event : *events) {
    FRESHET_CHECK(ToJson(event).find('\n') == std::string::npos);
    FRESHET_CHECK(proto::Event().ParseFromString(ToProto(event).SerializeAsString()));
  }

  const uint64_t newest = store.NewestEvent();
  EventLog log(store, SystemClock());
  log.Record("started", 7, "text");
  FRESHET_CHECK(store.NewestEvent() == newest + 1);
  const auto after = store.EventsAfter(newest, 1000, all);
  FRESHET_CHECK(after.ok());
  FRESHET_CHECK(std::any_of(after->begin(), after->end(), [&](const Event& event) {
    return event.id == newest + 1 && event.kind == "started" && event.version == 7;
  }));
  proto::Manifest scored;
  scored.set_version(3);
  FRESHET_CHECK(store.StoreScores(scored).ok() && store.StoreEpoch(Epoch(9)).ok());
  FRESHET_CHECK(store.LastEpoch().value() == Epoch(9));
}

void Run(std::span<const uint8_t> input) {
  const TempFolder folder;
  Fill(folder.path(), input);
  const auto store = StateStore::Open(folder.path());
  CheckStatus(store.status());
  if (store.ok()) {
    Use(**store);
  }
}

}  // namespace
}  // namespace freshet::coordinator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::coordinator::Run({data, size});
  return 0;
}
