#include "ps/embedding_table.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "common/version_log/sort_columns.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

constexpr uint32_t kDim = 3;

proto::EmbeddingVariable Variable() {
  return test::EmbeddingOf("v", kDim, test::AdagradOf(0.1F));
}

struct ModelRow {
  std::vector<float> floats = {};  // value, state
  uint32_t frequency = 0;
  uint32_t last_update = 0;

  friend bool operator==(const ModelRow&, const ModelRow&) = default;
};

using Rows = std::map<Key, ModelRow>;

// What a table should do, with a std::map.
class ModelTable {
 public:
  ModelTable()
      : initializer_(Variable().initializers(), Variable().seed(), kDim),
        optimizer_(MakeOptimizer(Variable().optimizer(), kDim)) {}

  std::vector<float> Pull(Key key) const {
    const auto found = rows_.find(key);
    if (found != rows_.end()) {
      return {found->second.floats.begin(), found->second.floats.begin() + kDim};
    }
    std::vector<float> value(kDim);
    initializer_.Fill(key, value);
    return value;
  }

  void Push(Key key, const float* gradient, uint32_t time) {
    ModelRow& row = rows_[key];
    if (row.floats.empty()) {
      row.floats.resize(kDim + optimizer_->state_dim());
      initializer_.Fill(key, {row.floats.data(), kDim});
      optimizer_->InitState(row.floats.data(), row.floats.data() + kDim);
    }
    const RowUpdate update{
        .value = row.floats.data(), .state = row.floats.data() + kDim, .gradient = gradient};
    optimizer_->Apply({&update, 1}, 1);
    ++row.frequency;
    row.last_update = std::max(row.last_update, time);
  }

  bool Delete(Key key) { return rows_.erase(key) > 0; }

  const Rows& rows() const { return rows_; }

 private:
  const RowInitializer initializer_;
  const std::unique_ptr<Optimizer> optimizer_;
  Rows rows_;
};

// What a reader of the log does with a part.
void ApplyPart(const EmbeddingRows& part, Rows& rows) {
  for (const Key key : part.tombstones) {
    rows.erase(key);
  }
  for (size_t i = 0; i < part.keys.size(); ++i) {
    ModelRow row{.frequency = part.frequencies[i], .last_update = part.last_updates[i]};
    row.floats.assign(&part.values[i * part.dim], &part.values[i * part.dim] + part.dim);
    row.floats.insert(row.floats.end(),
                      part.states.begin() + static_cast<std::ptrdiff_t>(i * part.state_dim),
                      part.states.begin() + static_cast<std::ptrdiff_t>((i + 1) * part.state_dim));
    rows[part.keys[i]] = std::move(row);
  }
}

EmbeddingRows CutAll(EmbeddingTable& table, bool full, bool committed = true) {
  table.BeginCut(full);
  while (table.CopyCut(7)) {
  }
  EmbeddingRows part = table.TakeCut();
  SortByKey(part);
  table.EndCut(committed);
  return part;
}

// Random operations on a table and on a model of it, with cuts between and during them.
class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : random_(seed), table_(Variable()) {
    universe_ = {0, 1, 2, UINT64_MAX, UINT64_MAX - 1, 0x8000000000000000U};
    while (universe_.size() < 400) {
      universe_.push_back(random_() >> (random_() % 64));
    }
  }

  void Run(int operations) {
    for (int i = 0; i < operations; ++i) {
      switch (random_() % 8) {
        case 0:
          Delete();
          break;
        case 1:
          ComparePull();
          break;
        case 2:
          AdvanceCut();
          break;
        default:
          Push();
      }
      REQUIRE(table_.rows() == model_.rows().size());
    }
  }

  int committed() const { return committed_; }

  int given_up() const { return given_up_; }

  const Rows& replica() const { return replica_; }

  void FinishCut() {
    do {
      AdvanceCut();
    } while (snapshot_.has_value());
  }

 private:
  std::vector<Key> SomeKeys() {
    std::set<Key> keys;
    const size_t count = random_() % 200;
    while (keys.size() < count) {
      keys.insert(universe_[random_() % universe_.size()]);
    }
    std::vector<Key> shuffled(keys.begin(), keys.end());
    std::shuffle(shuffled.begin(), shuffled.end(), random_);
    return shuffled;
  }

  void Push() {
    const std::vector<Key> keys = SomeKeys();
    std::vector<float> gradients(keys.size() * kDim);
    std::generate(gradients.begin(), gradients.end(), [this] {
      return static_cast<float>(random_() % 1000) / 500.0F - 1.0F;
    });
    const auto time = static_cast<uint32_t>(random_() % 1000);
    REQUIRE(table_.Push(keys, {}, gradients, {.event_time_s = time}).ok());
    for (size_t i = 0; i < keys.size(); ++i) {
      model_.Push(keys[i], &gradients[i * kDim], time);
    }
  }

  void Delete() {
    std::vector<Key> keys = SomeKeys();
    keys.resize(keys.size() / 4);
    uint64_t expected = 0;
    for (const Key key : keys) {
      expected += model_.Delete(key) ? 1 : 0;
    }
    REQUIRE(*table_.Delete(keys) == expected);
  }

  void ComparePull() {
    const std::vector<Key> keys = SomeKeys();
    std::vector<float> values(keys.size() * kDim);
    REQUIRE(table_.Pull(keys, {}, values).ok());
    for (size_t i = 0; i < keys.size(); ++i) {
      const std::vector<float> expected = model_.Pull(keys[i]);
      REQUIRE(std::equal(expected.begin(), expected.end(), &values[i * kDim]));
    }
  }

  // One small piece of a cut, so that other operations come in between.
  void AdvanceCut() {
    if (!snapshot_) {
      full_ = random_() % 3 == 0;
      snapshot_ = model_.rows();
      size_ = table_.BeginCut(full_);
      if (full_) {
        REQUIRE(size_.rows == model_.rows().size());
      }
    } else if (random_() % 40 == 0) {  // given up halfway
      table_.EndCut(false);
      snapshot_.reset();
      ++given_up_;
    } else if (!table_.CopyCut(25)) {
      EndCut();
    }
  }

  void EndCut() {
    const EmbeddingRows part = table_.TakeCut();
    REQUIRE(part.keys.size() == size_.rows);
    REQUIRE(part.tombstones.size() == size_.tombstones);
    REQUIRE(std::set<Key>(part.keys.begin(), part.keys.end()).size() == size_.rows);
    const bool commit = random_() % 4 != 0;
    table_.EndCut(commit);
    if (commit) {
      Rows from_nothing;
      ApplyPart(part, full_ ? from_nothing : replica_);
      ApplyPart(part, replica_);  // a base may be applied like a delta as well
      REQUIRE(replica_ == *snapshot_);
      REQUIRE((!full_ || from_nothing == *snapshot_));
    }
    snapshot_.reset();
    (commit ? committed_ : given_up_) += 1;
  }

  std::mt19937_64 random_;
  std::vector<Key> universe_;
  EmbeddingTable table_;
  ModelTable model_;
  Rows replica_;                  // what a reader of the committed cuts has
  std::optional<Rows> snapshot_;  // the model at the flip of the cut under way
  CutSize size_;
  bool full_ = false;
  int committed_ = 0;
  int given_up_ = 0;
};

TEST_CASE("a table does what a std::map does, and its cuts rebuild it", "[ps]") {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    CAPTURE(seed);
    RandomRun run(seed);
    run.Run(2500);
    run.FinishCut();
    CHECK(run.committed() > 5);
    CHECK(run.given_up() > 2);
  }
}

TEST_CASE("a table loaded from a part continues as the one that was cut", "[ps]") {
  EmbeddingTable table(Variable());
  const std::vector<Key> keys = {5, 6, 7, 8};
  REQUIRE(table.Push(keys, {}, std::vector<float>(12, 0.5F), {.event_time_s = 100}).ok());
  EmbeddingRows part = CutAll(table, true);

  EmbeddingTable loaded(Variable());
  const std::vector<uint32_t> picked = {0, 1, 3};
  REQUIRE(loaded.Load(part, picked, {}, [](Key) { return true; }).ok());
  CHECK(loaded.rows() == 3);
  CHECK(CutAll(loaded, false).keys.empty());  // what was loaded is clean
  const std::vector<Key> both = {5, 6, 8};
  REQUIRE(table.Push(both, {}, std::vector<float>(9, -0.25F), {.event_time_s = 200}).ok());
  REQUIRE(loaded.Push(both, {}, std::vector<float>(9, -0.25F), {.event_time_s = 200}).ok());
  std::vector<float> expected(9);
  std::vector<float> got(9);
  REQUIRE(table.Pull(both, {}, expected).ok());
  REQUIRE(loaded.Pull(both, {}, got).ok());
  CHECK(expected == got);
  part = CutAll(loaded, false);
  CHECK(part.keys == both);
  CHECK(part.frequencies == std::vector<uint32_t>{2, 2, 2});
  CHECK(part.last_updates == std::vector<uint32_t>{200, 200, 200});

  REQUIRE(loaded.Load(EmbeddingRows{}, {}, both, [](Key) { return true; }).ok());
  CHECK(loaded.rows() == 0);
}

TEST_CASE("a pull makes no row", "[ps]") {
  EmbeddingTable table(Variable());
  std::vector<float> values(kDim);
  REQUIRE(table.Pull(std::vector<Key>{1}, {}, values).ok());
  CHECK(table.rows() == 0);
  CHECK(std::any_of(values.begin(), values.end(), [](float value) { return value != 0; }));
}

TEST_CASE("rows go to their positions in the batch", "[ps]") {
  EmbeddingTable table(Variable());
  const std::vector<Key> keys = {10, 20};
  const std::vector<uint32_t> positions = {2, 0};
  std::vector<float> gradients(3 * kDim, 0.0F);
  std::fill_n(gradients.begin() + 2 * kDim, kDim, 1.0F);  // of key 10
  std::vector<float> before(3 * kDim, -5.0F);
  std::vector<float> after(3 * kDim, -5.0F);
  REQUIRE(table.Pull(keys, positions, before).ok());
  REQUIRE(table.Push(keys, positions, gradients, {}).ok());
  REQUIRE(table.Pull(keys, positions, after).ok());
  for (uint32_t column = 0; column < kDim; ++column) {
    CHECK(after[column] == before[column]);                       // key 20: no gradient
    CHECK(after[kDim + column] == -5.0F);                         // not ours
    CHECK(after[2 * kDim + column] < before[2 * kDim + column]);  // key 10
  }
}

TEST_CASE("a key that comes twice in a push is applied twice and has one row", "[ps]") {
  EmbeddingTable table(Variable());
  ModelTable model;
  const std::vector<Key> keys = {9, 9};
  const std::vector<float> gradients = {1, 2, 3, 4, 5, 6};
  REQUIRE(table.Push(keys, {}, gradients, {.event_time_s = 1}).ok());
  model.Push(9, &gradients[0], 1);
  model.Push(9, &gradients[kDim], 1);
  std::vector<float> value(kDim);
  REQUIRE(table.Pull(std::vector<Key>{9}, {}, value).ok());
  CHECK(table.rows() == 1);
  CHECK(value == model.Pull(9));
}

TEST_CASE("a key deleted and made again between two cuts is a tombstone and a row", "[ps]") {
  EmbeddingTable table(Variable());
  const std::vector<Key> keys = {3};
  const std::vector<float> gradient(kDim, 1.0F);
  REQUIRE(table.Push(keys, {}, gradient, {}).ok());
  CutAll(table, false);
  REQUIRE(table.Delete(keys).ok());
  REQUIRE(table.Push(keys, {}, gradient, {}).ok());
  const EmbeddingRows part = CutAll(table, false);
  CHECK(part.keys == keys);
  CHECK(part.tombstones == keys);
  CHECK(part.frequencies == std::vector<uint32_t>{1});
}

TEST_CASE("a base that is given up makes no clean row dirty", "[ps]") {
  EmbeddingTable table(Variable());
  const std::vector<float> gradient(kDim, 1.0F);
  REQUIRE(table.Push(std::vector<Key>{1}, {}, gradient, {}).ok());
  CutAll(table, false);
  REQUIRE(table.Push(std::vector<Key>{2}, {}, gradient, {}).ok());
  CHECK(CutAll(table, true, false).keys == std::vector<Key>{1, 2});
  CHECK(CutAll(table, false).keys == std::vector<Key>{2});
}

TEST_CASE("slots of deleted rows are used again", "[ps]") {
  EmbeddingTable table(Variable());
  const std::vector<float> gradient(kDim * 1000, 1.0F);
  uint64_t bytes = 0;
  for (Key round = 0; round < 50; ++round) {
    std::vector<Key> keys;
    for (Key i = 0; i < 1000; ++i) {
      keys.push_back(round << 32U | i);
    }
    REQUIRE(table.Push(keys, {}, gradient, {}).ok());
    CHECK(*table.Delete(keys) == 1000);
    CutAll(table, false);
    bytes = round == 0 ? table.bytes() : bytes;
  }
  CHECK(table.rows() == 0);
  CHECK(table.bytes() <= bytes + bytes / 10);  // the tombstones' sets may have grown once more
}

}  // namespace
}  // namespace freshet::ps
