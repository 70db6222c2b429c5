#include "ps/tier/cold_store.h"

#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <random>
#include <thread>

#include "tests/ps/tier/scratch.h"

namespace freshet::ps::test {
namespace {

constexpr size_t kRecord = 140;

// Of `count` keys from `first` on; all with the number 0.
struct Rows {
  Rows(Key first, size_t count) : states(count, RowState::kClean) {
    for (Key key = first; key < first + count; ++key) {
      keys.push_back(key);
      Append(records, RecordOf(key, 0, kRecord));
    }
  }

  std::vector<Key> keys;
  std::vector<std::byte> records;
  std::vector<RowState> states;
};

// How many of the rows the table has, as they were put.
size_t CountTaken(ColdTable& table, const Rows& rows) {
  std::vector<std::byte> records(rows.records.size());
  std::vector<RowState> states(rows.keys.size());
  const Status status = table.Take(rows.keys, records, states);
  INFO(status.ToString());
  REQUIRE(status.ok());
  size_t found = 0;
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    if (states[i] != RowState::kNone) {
      REQUIRE(At(records, i, kRecord) == At(rows.records, i, kRecord));
      ++found;
    }
  }
  return found;
}

TEST_CASE("a store begins empty, whatever one before it left", "[ps][tier]") {
  const Scratch scratch;
  const Rows rows(0, 20'000);
  std::ofstream(scratch.path() + "/mine.txt") << "not the store's";
  {
    const auto store = OpenStore(SmallOptions(scratch.path()));
    const auto table = store->MakeTable(kRecord);
    REQUIRE(table->Put(rows.keys, rows.records, rows.states, ColdTable::WhenBusy::kWait).ok());
    REQUIRE(std::filesystem::exists(scratch.path() + "/rows/0/CURRENT"));
  }
  CHECK_FALSE(std::filesystem::exists(scratch.path() + "/rows"));
  // As a killed server leaves it.
  std::filesystem::create_directories(scratch.path() + "/rows/0");
  std::ofstream(scratch.path() + "/rows/0/CURRENT") << "MANIFEST-000001\n";
  const auto store = OpenStore(SmallOptions(scratch.path()));
  const auto table = store->MakeTable(kRecord);
  CHECK(CountTaken(*table, rows) == 0);
  CHECK(std::filesystem::exists(scratch.path() + "/mine.txt"));
}

TEST_CASE("two stores cannot share a directory", "[ps][tier]") {
  const Scratch scratch;
  auto store = OpenStore(SmallOptions(scratch.path()));
  const auto table = store->MakeTable(kRecord);
  const Rows rows(0, 10);
  REQUIRE(table->Put(rows.keys, rows.records, rows.states).ok());
  const Status second = ColdStore::Open(SmallOptions(scratch.path())).status();
  CHECK(absl::IsFailedPrecondition(second));
  CHECK(MessageOf(second) == "another server keeps its cold rows in " + scratch.path() +
                                 "; each needs a directory of its own");
  CHECK(CountTaken(*table, rows) == 10);
}

TEST_CASE("a directory that cannot be made is refused by name", "[ps][tier]") {
  const Scratch scratch;
  std::ofstream(scratch.path() + "/file") << "x";
  const std::string inside = scratch.path() + "/file/cold";
  const Status status = ColdStore::Open(SmallOptions(inside)).status();
  CHECK(absl::IsFailedPrecondition(status));
  INFO(status.ToString());
  CHECK(MessageOf(status).find(inside) != std::string::npos);
}

TEST_CASE("the store counts what is done, and says what it takes", "[ps][tier]") {
  const Scratch scratch;
  const ColdStoreOptions options = SmallOptions(scratch.path());
  const auto store = OpenStore(options);
  CHECK(store->memory_budget_bytes() == options.block_cache_bytes + options.write_buffer_bytes);
  const auto table = store->MakeTable(kRecord);
  for (Key first = 0; first < 50'000; first += 1000) {
    const Rows rows(first, 1000);
    REQUIRE(table->Put(rows.keys, rows.records, rows.states, ColdTable::WhenBusy::kWait).ok());
  }
  CHECK(table->rows() == 50'000);
  CHECK(table->bytes() == 50'000 * (kRecord + 8));
  CHECK(CountTaken(*table, Rows(49'000, 2000)) == 1000);
  CHECK(table->rows() == 49'000);
  const ColdStoreCounters& counters = store->counters();
  CHECK(counters.puts == 50'000);
  CHECK(counters.bytes_put == 50'000 * kRecord);
  CHECK(counters.lookups == 2000);
  CHECK(counters.hits == 1000);
  CHECK(counters.takes == 1000);
  CHECK(counters.bytes_read == 1000 * kRecord);
  CHECK(counters.failures == 0);
  CHECK(store->disk_bytes() > 1U << 20U);
  // The cache may be over its capacity by what is pinned for the moment.
  CHECK(store->memory_bytes() < 2 * store->memory_budget_bytes());
}

TEST_CASE("owner threads use their tables at the same time", "[ps][tier]") {
  const Scratch scratch;
  const auto store = OpenStore(SmallOptions(scratch.path()));
  std::atomic<size_t> wrong = 0;
  const auto work = [&](uint32_t seed) {
    const auto table = store->MakeTable(kRecord);
    std::mt19937 random(seed);
    std::vector<uint64_t> numbers(5000, 0);  // by key; 0: no row
    uint64_t number = 0;
    for (int round = 0; round < 150; ++round) {
      std::vector<Key> keys;
      std::vector<std::byte> records;
      const Key first = random() % 4000;
      for (Key key = first; key < first + 200; ++key) {
        if (numbers[key] == 0) {
          keys.push_back(key);
          numbers[key] = ++number;
          Append(records, RecordOf(key, number, kRecord));
        }
      }
      std::vector<RowState> states(keys.size(), RowState::kDirty);
      wrong += table->Put(keys, records, states, ColdTable::WhenBusy::kWait).ok() ? 0 : 1;
      // A cut is read by a third thread meanwhile.
      const auto cut = table->BeginCut(false);
      std::atomic<size_t> emitted = 0;
      std::thread reader([&] {
        StatusOr<bool> more = true;
        while (more.ok() && *more) {
          more = cut->Next(64, [&](Key, std::span<const std::byte>) { ++emitted; });
        }
        wrong += more.ok() ? 0 : 1;
      });
      keys.clear();
      for (Key key = random() % 4000; keys.size() < 100; ++key) {
        keys.push_back(key);
      }
      records.resize(keys.size() * kRecord);
      states.resize(keys.size());
      wrong += table->Take(keys, records, states).ok() ? 0 : 1;
      for (size_t i = 0; i < keys.size(); ++i) {
        const bool found = states[i] != RowState::kNone;
        wrong += found == (numbers[keys[i]] != 0) ? 0 : 1;
        wrong += !found || At(records, i, kRecord) == RecordOf(keys[i], numbers[keys[i]], kRecord)
                     ? 0
                     : 1;
        numbers[keys[i]] = 0;
      }
      reader.join();
      table->EndCut(true);
    }
    size_t left = 0;
    for (const uint64_t n : numbers) {
      left += n == 0 ? 0 : 1;
    }
    wrong += table->rows() == left ? 0 : 1;
  };
  std::thread one(work, 1);
  std::thread two(work, 2);
  one.join();
  two.join();
  CHECK(wrong == 0);
  CHECK(store->counters().failures == 0);
}

// A small file system in memory, mounted while it lives; needs root.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& path) : path_(path) {
    std::filesystem::create_directories(path_);
    mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=16m") == 0;
  }

  ~SmallDisk() {
    if (mounted_) {
      ::umount2(path_.c_str(), MNT_DETACH);
    }
  }

  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }

 private:
  const std::string path_;
  bool mounted_ = false;
};

TEST_CASE("a full disk refuses rows, gives back those it has, and recovers", "[ps][tier]") {
  const Scratch scratch;
  const std::string path = scratch.path() + "/disk";
  const SmallDisk disk(path);
  if (!disk.mounted()) {
    std::cerr << "NOT TESTED: a full disk. It takes root to mount a small one.\n";
    return;
  }
  const auto store = OpenStore(SmallOptions(path));
  const auto table = store->MakeTable(kRecord);
  Status full;
  Key next = 0;
  // The rest of the disk goes to another file, as to another program.
  const std::string filler = path + "/filler";
  {
    std::ofstream file(filler, std::ios::binary);
    file << std::string(10U << 20U, 'x');
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!absl::IsResourceExhausted(full) && std::chrono::steady_clock::now() < deadline) {
    const Rows rows(next, 500);
    full = table->Put(rows.keys, rows.records, rows.states);
    if (full.ok()) {
      next += 500;
    }
  }
  INFO(full.ToString());
  REQUIRE(absl::IsResourceExhausted(full));
  REQUIRE(table->rows() == next);
  INFO(next << " rows on the disk");

  // Nothing is lost, and what is taken is gone although the disk cannot be told.
  const Rows half(0, next / 2);
  CHECK(CountTaken(*table, half) == half.keys.size());
  CHECK(table->rows() == next - half.keys.size());
  CHECK(CountTaken(*table, half) == 0);
  size_t scanned = 0;
  const auto end = table->Scan(0, ~uint64_t{0}, next, [&](Key key, auto, RowState) {
    scanned += key >= half.keys.size() ? 1 : 0;
  });
  REQUIRE(end.ok());
  CHECK(scanned == table->rows());
  {
    const auto cut = table->BeginCut(/*full=*/true);
    size_t cut_rows = 0;
    StatusOr<bool> more = true;
    while (more.ok() && *more) {
      more = cut->Next(1000, [&](Key, auto) { ++cut_rows; });
    }
    CHECK(more.ok());
    CHECK(cut_rows == table->rows());
    table->EndCut(true);
  }

  // Room again: some seconds later the same rows are taken in.
  std::filesystem::remove(filler);
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  Status again = Unavailable("not tried yet");
  while (!again.ok() && std::chrono::steady_clock::now() < patience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    again = table->Put(half.keys, half.records, half.states);
  }
  INFO(again.ToString());
  REQUIRE(again.ok());
  CHECK(table->rows() == next);
  CHECK(CountTaken(*table, Rows(0, next)) == next);
}

}  // namespace
}  // namespace freshet::ps::test
