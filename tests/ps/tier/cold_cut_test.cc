#include "ps/tier/cold_cut.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <map>
#include <random>
#include <set>

#include "tests/ps/tier/scratch.h"

// The rules at the head of cold_table.h, kept by a small embedding table: rows are numbers, which
// grow with each push. Whatever happens in which order, a version must hold exactly the rows that
// changed since the last committed one, with their numbers at the flip.
namespace freshet::ps::test {
namespace {

constexpr size_t kRecord = 16;

struct HotRow {
  uint64_t number = 0;
  bool dirty = false;
  bool in_cut = false;
  bool pending = false;
};

class TieredTable {
 public:
  explicit TieredTable(ColdStore& store) : cold_(store.MakeTable(kRecord)) {}

  ColdTable& cold() { return *cold_; }

  bool cutting() const { return cut_ != nullptr; }

  void Push(Key key) {
    Promote(key);
    HotRow& row = hot_[key];
    CopyIfPending(key, row);
    row.number = ++pushes_;
    row.dirty = true;
    now_[key] = row.number;
    changed_.insert(key);
    deleted_.erase(key);
  }

  void Demote(Key key) {
    const auto found = hot_.find(key);
    if (found == hot_.end()) {
      return;
    }
    CopyIfPending(key, found->second);
    const HotRow& row = found->second;
    const RowState state = row.dirty    ? RowState::kDirty
                           : row.in_cut ? RowState::kInCut
                                        : RowState::kClean;
    const auto record = RecordOf(key, row.number, kRecord);
    REQUIRE(cold_->Put(std::span(&key, 1), record, std::span(&state, 1), ColdTable::WhenBusy::kWait)
                .ok());
    hot_.erase(found);
  }

  void Promote(Key key) {
    if (hot_.contains(key)) {
      return;
    }
    std::vector<std::byte> record(kRecord);
    RowState state = RowState::kNone;
    REQUIRE(cold_->Take(std::span(&key, 1), record, std::span(&state, 1)).ok());
    REQUIRE((state != RowState::kNone) == now_.contains(key));
    if (state != RowState::kNone) {
      REQUIRE(record == RecordOf(key, now_[key], kRecord));
      hot_[key] = {.number = now_[key],
                   .dirty = state == RowState::kDirty,
                   .in_cut = state == RowState::kInCut};
    }
  }

  void Delete(Key key) {
    if (const auto found = hot_.find(key); found != hot_.end()) {
      CopyIfPending(key, found->second);
      hot_.erase(found);
    } else {
      RowState state = RowState::kNone;
      REQUIRE(cold_->Erase(std::span(&key, 1), std::span(&state, 1)).ok());
      REQUIRE((state != RowState::kNone) == now_.contains(key));
    }
    if (now_.erase(key) == 1) {
      changed_.erase(key);
      deleted_.insert(key);
    }
  }

  void BeginCut(bool full) {
    copied_.clear();
    for (auto& [key, row] : hot_) {
      row.in_cut = row.dirty;
      row.pending = full || row.dirty;
      row.dirty = false;
    }
    cut_ = cold_->BeginCut(full);
    expected_.clear();
    for (const auto& [key, number] : now_) {
      if (full || changed_.contains(key)) {
        expected_[key] = number;
      }
    }
    changed_of_cut_ = std::exchange(changed_, {});
  }

  // A step of the background copy; false at its end.
  bool CopySome() {
    for (auto& [key, row] : hot_) {
      if (row.pending) {
        CopyIfPending(key, row);
        return true;
      }
    }
    const auto more = cut_->Next(3, [&](Key key, std::span<const std::byte> record) {
      uint64_t number = 0;
      std::memcpy(&number, record.data() + sizeof(Key), sizeof(number));
      INFO("cold key " << key);
      REQUIRE(copied_.emplace(key, number).second);
    });
    REQUIRE(more.ok());
    return *more;
  }

  void EndCut(bool committed) {
    if (committed) {
      while (CopySome()) {
      }
      REQUIRE(copied_ == expected_);
    }
    for (auto& [key, row] : hot_) {
      row.dirty = row.dirty || (row.in_cut && !committed);
      row.in_cut = false;
      row.pending = false;
    }
    cut_.reset();
    cold_->EndCut(committed);
    if (!committed) {
      for (const Key key : changed_of_cut_) {
        if (!deleted_.contains(key)) {
          changed_.insert(key);
        }
      }
    }
    deleted_.clear();
  }

  // Takes away what changed since the last committed version, and perhaps some more; the rest is
  // clean. Not if nobody knows any more what changed.
  void Rewind() {
    if (cutting()) {
      EndCut(false);
    }
    const auto hashes = cold_->ChangedHashes();
    if (!hashes) {
      return;
    }
    std::set<Key> gone;
    std::transform(
        hashes->begin(), hashes->end(), std::inserter(gone, gone.end()), UnmixSplitMix64);
    std::erase_if(hot_, [&](const auto& entry) {
      if (entry.second.dirty) {
        gone.insert(entry.first);
      }
      return gone.contains(entry.first);
    });
    REQUIRE(std::includes(gone.begin(), gone.end(), changed_.begin(), changed_.end()));
    const std::vector<Key> keys(gone.begin(), gone.end());
    std::vector<RowState> states(keys.size());
    REQUIRE(cold_->Erase(keys, states).ok());
    cold_->MarkAllClean();
    std::erase_if(now_, [&](const auto& entry) { return gone.contains(entry.first); });
    changed_.clear();
    ++rewinds_;
  }

  int rewinds() const { return rewinds_; }

  size_t rows() const { return now_.size(); }

  size_t hot() const { return hot_.size(); }

 private:
  void CopyIfPending(Key key, HotRow& row) {
    if (row.pending) {
      row.pending = false;
      INFO("hot key " << key);
      REQUIRE(copied_.emplace(key, row.number).second);
    }
  }

  std::unique_ptr<ColdTable> cold_;
  std::unique_ptr<ColdCut> cut_;
  std::map<Key, HotRow> hot_;
  uint64_t pushes_ = 0;
  std::map<Key, uint64_t> copied_;

  // What is right, without any tiers.
  std::map<Key, uint64_t> now_;
  std::set<Key> changed_;  // since the last committed version
  std::set<Key> changed_of_cut_;
  std::set<Key> deleted_;  // since the flip
  std::map<Key, uint64_t> expected_;
  int rewinds_ = 0;
};

// Returns how many rewinds there were.
int RunRandomly(const ColdStoreOptions& options, uint64_t seed, int steps) {
  std::mt19937_64 random(seed);
  const auto store = OpenStore(options);
  TieredTable table(*store);
  for (int step = 0; step < steps; ++step) {
    const Key key = random() % 60;
    switch (random() % 17) {
      case 0:
      case 1:
      case 2:
        table.Push(key);
        break;
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
        table.Demote(key);
        break;
      case 8:
      case 9:
        table.Promote(key);
        break;
      case 10:
        table.Delete(key);
        break;
      case 11:
      case 12:
      case 13:
        if (table.cutting()) {
          table.CopySome();
        }
        break;
      case 14:
        if (random() % 8 == 0) {
          table.Rewind();
        }
        break;
      default:
        if (!table.cutting()) {
          table.BeginCut(random() % 5 == 0);
        } else if (random() % 4 == 0) {
          table.EndCut(random() % 3 != 0);
        }
    }
    REQUIRE(table.rows() == table.hot() + table.cold().rows());
  }
  return table.rewinds();
}

TEST_CASE("a version holds each changed row once, as it was at the flip, hot or cold",
          "[ps][tier]") {
  const uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  const Scratch scratch;
  CHECK(RunRandomly(SmallOptions(scratch.path()), seed, 60'000) > 100);
}

TEST_CASE("rows that changed are not forgotten when there are too many to remember", "[ps][tier]") {
  const uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  const Scratch scratch;
  ColdStoreOptions options = SmallOptions(scratch.path());
  options.marked_rows_per_table = GENERATE(0, 5);
  RunRandomly(options, seed, 30'000);
}

// By name, what the random run goes through.
class OneRow {
 public:
  OneRow() : store_(OpenStore(SmallOptions(scratch_.path()))), table_(store_->MakeTable(kRecord)) {}

  ColdTable& table() { return *table_; }

  void Put(uint64_t number, RowState state) {
    const auto record = RecordOf(kKey, number, kRecord);
    REQUIRE(table_->Put(std::span(&kKey, 1), record, std::span(&state, 1)).ok());
  }

  RowState Take() {
    std::vector<std::byte> record(kRecord);
    RowState state = RowState::kNone;
    REQUIRE(table_->Take(std::span(&kKey, 1), record, std::span(&state, 1)).ok());
    return state;
  }

  // The numbers that the cut finds.
  static std::vector<uint64_t> Read(ColdCut& cut) {
    std::vector<uint64_t> numbers;
    StatusOr<bool> more = true;
    while (more.ok() && *more) {
      more = cut.Next(10, [&](Key, std::span<const std::byte> record) {
        uint64_t number = 0;
        std::memcpy(&number, record.data() + sizeof(Key), sizeof(number));
        numbers.push_back(number);
      });
    }
    REQUIRE(more.ok());
    return numbers;
  }

 private:
  static constexpr Key kKey = 42;

  Scratch scratch_;
  std::unique_ptr<ColdStore> store_;
  std::unique_ptr<ColdTable> table_;
};

using Numbers = std::vector<uint64_t>;

TEST_CASE("a clean row is in no delta, but in a base", "[ps][tier]") {
  OneRow row;
  row.Put(1, RowState::kClean);
  const bool full = GENERATE(false, true);
  const auto cut = row.table().BeginCut(full);
  CHECK(OneRow::Read(*cut) == (full ? Numbers{1} : Numbers{}));
}

TEST_CASE("a changed row is in the next version alone, unless that fails", "[ps][tier]") {
  OneRow row;
  row.Put(1, RowState::kDirty);
  const bool committed = GENERATE(false, true);
  CHECK(OneRow::Read(*row.table().BeginCut(false)) == Numbers{1});
  row.table().EndCut(committed);
  CHECK(OneRow::Read(*row.table().BeginCut(false)) == (committed ? Numbers{} : Numbers{1}));
  row.table().EndCut(true);
  CHECK(row.Take() == RowState::kClean);
}

TEST_CASE("a row that comes up in a cut is in it, and is told to be", "[ps][tier]") {
  OneRow row;
  row.Put(1, RowState::kDirty);
  const auto cut = row.table().BeginCut(false);
  CHECK(row.Take() == RowState::kInCut);
  row.Put(2, RowState::kDirty);
  CHECK(row.Take() == RowState::kDirty);
  row.Put(3, RowState::kDirty);
  CHECK(OneRow::Read(*cut) == Numbers{1});
  row.table().EndCut(true);
  CHECK(OneRow::Read(*row.table().BeginCut(false)) == Numbers{3});
}

TEST_CASE("a row that goes down again in the same cut, unchanged, waits for its end",
          "[ps][tier]") {
  OneRow row;
  row.Put(1, RowState::kDirty);
  const auto cut = row.table().BeginCut(false);
  row.Put(1, row.Take());
  CHECK(OneRow::Read(*cut) == Numbers{1});
  const bool committed = GENERATE(false, true);
  row.table().EndCut(committed);
  CHECK(OneRow::Read(*row.table().BeginCut(false)) == (committed ? Numbers{} : Numbers{1}));
  CHECK(row.Take() == (committed ? RowState::kClean : RowState::kInCut));
}

TEST_CASE("a row that was hot at the flip is left to the hot rows", "[ps][tier]") {
  OneRow row;
  row.Put(1, RowState::kDirty);
  CHECK(row.Take() == RowState::kDirty);
  const auto cut = row.table().BeginCut(GENERATE(false, true));
  row.Put(1, RowState::kInCut);
  CHECK(OneRow::Read(*cut).empty());
  row.table().EndCut(false);
  CHECK(OneRow::Read(*row.table().BeginCut(false)) == Numbers{1});
}

TEST_CASE("the rows that a rewind takes away are known until a version holds them", "[ps][tier]") {
  OneRow row;
  const auto known = [&] { return row.table().ChangedHashes()->size(); };
  row.Put(1, RowState::kClean);
  CHECK(known() == 0);
  CHECK(row.Take() == RowState::kClean);
  row.Put(2, RowState::kDirty);
  CHECK(known() == 1);
  auto cut = row.table().BeginCut(false);
  row.Put(2, row.Take());
  row.table().EndCut(false);
  CHECK(known() == 2);  // the same row twice
  cut = row.table().BeginCut(false);
  CHECK(OneRow::Read(*cut) == Numbers{2});
  row.table().EndCut(true);
  CHECK(known() == 0);
  CHECK(row.Take() == RowState::kClean);
  row.Put(3, RowState::kDirty);
  row.table().MarkAllClean();
  CHECK(known() == 0);
  CHECK(row.Take() == RowState::kClean);
}

TEST_CASE("a row that is deleted after the flip is in the version", "[ps][tier]") {
  OneRow row;
  row.Put(1, RowState::kDirty);
  const auto cut = row.table().BeginCut(false);
  CHECK(row.Take() == RowState::kInCut);
  CHECK(OneRow::Read(*cut) == Numbers{1});
  row.table().EndCut(false);
  CHECK(OneRow::Read(*row.table().BeginCut(false)).empty());
}

}  // namespace
}  // namespace freshet::ps::test
