#include "coordinator/state_store.h"

#include <rocksdb/db.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/env/file_system.h"
#include "common/version_log/checksum.h"

namespace freshet::coordinator {
namespace {

// A file of its own, which is read whole or not at all. RocksDB takes what is damaged at the end of
// its log, or of its list of files, for what was never written, and goes back to before it.
constexpr char kEpochFile[] = "epoch";
constexpr char kEpochKey[] = "epoch";
constexpr char kVersionKey[] = "version";
constexpr char kEventPrefix[] = "event/";
constexpr char kHookPrefix[] = "hook/";
constexpr char kScoresPrefix[] = "scores/";
constexpr char kAfterEvents[] = "event0";  // '0' follows '/'

constexpr char kWhatToDo[] =
    "; it is damaged. Move the folder away and start the coordinator again: epochs and numbers "
    "are found in the log and with the other processes, events and scores of before are gone";

Status ToStatus(const rocksdb::Status& status, const std::string& what) {
  if (status.ok()) {
    return absl::OkStatus();
  }
  const std::string message = what + ": " + status.ToString();
  if (status.IsNoSpace()) {
    return MakeStatus(absl::StatusCode::kResourceExhausted, message);
  }
  // A file that others name is gone.
  if (status.IsCorruption() || status.IsPathNotFound()) {
    return MakeStatus(absl::StatusCode::kDataLoss, message + kWhatToDo);
  }
  return MakeStatus(absl::StatusCode::kFailedPrecondition, message);
}

// "number checksum".
std::string EpochText(const std::string& digits) {
  return fmt::format("{} {}\n", digits, Xxh3Hex(digits));
}

// Twenty digits, so that the order of keys is the order of numbers.
std::string EventKey(uint64_t number) {
  return fmt::format("{}{:020}", kEventPrefix, number);
}

std::string ScoresKey(uint64_t version) {
  return fmt::format("{}{:020}", kScoresPrefix, version);
}

StatusOr<uint64_t> ParseNumber(const std::string& key, const std::string& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return DataLoss(
        "the coordinator's state holds \"{}\" under {}, not a number{}", text, key, kWhatToDo);
  }
  return number;
}

// <unix ms> <kind>[@<version>] <text>
std::string Render(const Event& event) {
  return fmt::format("{} {}{} {}",
                     event.unix_ms,
                     event.kind,
                     event.version == 0 ? "" : fmt::format("@{}", event.version),
                     event.text);
}

Event ParseEvent(std::string_view key, const std::string& line) {
  Event event;
  key.remove_prefix(std::min(key.size(), sizeof(kEventPrefix) - 1));
  std::from_chars(key.data(), key.data() + key.size(), event.id);
  const size_t first = line.find(' ');
  const size_t second = first == std::string::npos ? first : line.find(' ', first + 1);
  if (second == std::string::npos) {
    event.text = line;
    return event;
  }
  std::from_chars(line.data(), line.data() + first, event.unix_ms);
  event.kind = line.substr(first + 1, second - first - 1);
  if (const size_t at = event.kind.find('@'); at != std::string::npos) {
    std::from_chars(
        event.kind.data() + at + 1, event.kind.data() + event.kind.size(), event.version);
    event.kind.resize(at);
  }
  event.text = line.substr(second + 1);
  return event;
}

}  // namespace

struct StateStore::Impl {
  std::string directory;
  std::unique_ptr<rocksdb::DB> db;
  std::atomic<uint64_t> next_event = 1;

  StatusOr<uint64_t> Get(const std::string& key) const {
    std::string text;
    const rocksdb::Status status = db->Get(rocksdb::ReadOptions(), key, &text);
    if (status.IsNotFound()) {
      return 0;
    }
    FRESHET_RETURN_IF_ERROR(ToStatus(status, "read " + key + " in " + directory));
    return ParseNumber(key, text);
  }

  Status Put(const std::string& key, const std::string& value, bool sync) {
    rocksdb::WriteOptions options;
    options.sync = sync;
    return ToStatus(db->Put(options, key, value), "store " + key + " in " + directory);
  }

  std::string EpochPath() const { return directory + "/" + kEpochFile; }

  // 0: there is no such file, as before the first epoch.
  StatusOr<uint64_t> EpochOfFile() const {
    const StatusOr<std::string> text = ReadFile(LocalFileSystem(), EpochPath());
    if (absl::IsNotFound(text.status())) {
      return 0;
    }
    FRESHET_RETURN_IF_ERROR(text.status());
    const std::string digits = text->substr(0, text->find(' '));
    if (*text != EpochText(digits)) {
      return DataLoss("{}: number and checksum do not fit{}", EpochPath(), kWhatToDo);
    }
    return ParseNumber(EpochPath(), digits);
  }

  Status FindNextEvent() {
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(rocksdb::ReadOptions()));
    it->SeekForPrev(kAfterEvents);
    if (it->Valid() && it->key().starts_with(kEventPrefix)) {
      const std::string key = it->key().ToString();
      FRESHET_ASSIGN_OR_RETURN(const uint64_t newest,
                               ParseNumber(key, key.substr(sizeof(kEventPrefix) - 1)));
      next_event = newest + 1;
    }
    return ToStatus(it->status(), "read events in " + directory);
  }
};

StatusOr<std::unique_ptr<StateStore>> StateStore::Open(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return FailedPrecondition("create directory {}: {}", directory, error.message());
  }
  rocksdb::Options options;
  options.create_if_missing = true;
  options.keep_log_file_num = 4;
  options.max_background_jobs = 1;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, directory, &db);
  const char* const hint = status.IsIOError() ? " (is another coordinator up?)" : "";
  FRESHET_RETURN_IF_ERROR(
      ToStatus(status, fmt::format("open the coordinator's state in {}{}", directory, hint)));
  auto impl = std::make_unique<Impl>();
  impl->directory = directory;
  impl->db.reset(db);
  FRESHET_RETURN_IF_ERROR(impl->FindNextEvent());
  std::unique_ptr<StateStore> store(new StateStore(std::move(impl)));
  FRESHET_RETURN_IF_ERROR(store->LastEpoch().status());
  return store;
}

StateStore::StateStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

StateStore::~StateStore() = default;

StatusOr<Epoch> StateStore::LastEpoch() const {
  FRESHET_ASSIGN_OR_RETURN(const uint64_t in_rocks, impl_->Get(kEpochKey));
  FRESHET_ASSIGN_OR_RETURN(const uint64_t in_file, impl_->EpochOfFile());
  return Epoch(std::max(in_rocks, in_file));
}

Status StateStore::StoreEpoch(Epoch epoch) {
  FRESHET_RETURN_IF_ERROR(WriteFileAtomically(
      LocalFileSystem(), impl_->EpochPath(), EpochText(std::to_string(epoch.value()))));
  return impl_->Put(kEpochKey, std::to_string(epoch.value()), true);
}

StatusOr<VersionId> StateStore::LastVersion() const {
  FRESHET_ASSIGN_OR_RETURN(const uint64_t version, impl_->Get(kVersionKey));
  return VersionId(version);
}

Status StateStore::StoreVersion(VersionId version) {
  return impl_->Put(kVersionKey, std::to_string(version.value()), true);
}

Status StateStore::Record(const Event& event) {
  const uint64_t number = impl_->next_event;
  FRESHET_RETURN_IF_ERROR(impl_->Put(EventKey(number), Render(event), false));
  impl_->next_event = number + 1;  // whoever sees the number finds the event
  if (number <= kEventsKept) {
    return absl::OkStatus();
  }
  return ToStatus(impl_->db->Delete(rocksdb::WriteOptions(), EventKey(number - kEventsKept)),
                  "forget an event in " + impl_->directory);
}

StatusOr<std::vector<Event>> StateStore::NewestEvents(size_t count, const Wanted& wanted) const {
  std::vector<Event> events;
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db->NewIterator(rocksdb::ReadOptions()));
  for (it->SeekForPrev(kAfterEvents);
       it->Valid() && it->key().starts_with(kEventPrefix) && events.size() < count;
       it->Prev()) {
    Event event = ParseEvent(it->key().ToString(), it->value().ToString());
    if (wanted(event)) {
      events.push_back(std::move(event));
    }
  }
  FRESHET_RETURN_IF_ERROR(ToStatus(it->status(), "read events in " + impl_->directory));
  return std::vector<Event>(events.rbegin(), events.rend());
}

StatusOr<std::vector<Event>> StateStore::EventsAfter(uint64_t after,
                                                     size_t count,
                                                     const Wanted& wanted) const {
  std::vector<Event> events;
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db->NewIterator(rocksdb::ReadOptions()));
  for (it->Seek(EventKey(after + 1));
       it->Valid() && it->key().starts_with(kEventPrefix) && events.size() < count;
       it->Next()) {
    Event event = ParseEvent(it->key().ToString(), it->value().ToString());
    if (wanted(event)) {
      events.push_back(std::move(event));
    }
  }
  FRESHET_RETURN_IF_ERROR(ToStatus(it->status(), "read events in " + impl_->directory));
  return events;
}

uint64_t StateStore::NewestEvent() const {
  return impl_->next_event - 1;
}

Status StateStore::StoreScores(const proto::Manifest& scores) {
  const uint64_t version = scores.version();
  FRESHET_RETURN_IF_ERROR(impl_->Put(ScoresKey(version), scores.SerializeAsString(), false));
  if (version <= kScoresKept) {
    return absl::OkStatus();
  }
  return ToStatus(impl_->db->Delete(rocksdb::WriteOptions(), ScoresKey(version - kScoresKept)),
                  "forget scores in " + impl_->directory);
}

StatusOr<std::map<VersionId, proto::Manifest>> StateStore::Scores() const {
  std::map<VersionId, proto::Manifest> all;
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db->NewIterator(rocksdb::ReadOptions()));
  for (it->Seek(kScoresPrefix); it->Valid() && it->key().starts_with(kScoresPrefix); it->Next()) {
    proto::Manifest scores;
    if (!scores.ParseFromArray(it->value().data(), static_cast<int>(it->value().size()))) {
      return DataLoss("the coordinator's state in {} holds no scores under {}",
                      impl_->directory,
                      it->key().ToString());
    }
    all[VersionId(scores.version())] = std::move(scores);
  }
  FRESHET_RETURN_IF_ERROR(ToStatus(it->status(), "read scores in " + impl_->directory));
  return all;
}

StatusOr<uint64_t> StateStore::HookPosition(const std::string& hook) const {
  return impl_->Get(kHookPrefix + hook);
}

Status StateStore::StoreHookPosition(const std::string& hook, uint64_t id) {
  return impl_->Put(kHookPrefix + hook, std::to_string(id), false);
}

}  // namespace freshet::coordinator
