#include <catch2/catch.hpp>
#include <limits>

#include "tests/freshetctl/program.h"

namespace freshet::test {
namespace {

EmbeddingRows Rows(std::vector<Key> keys, float value, std::vector<Key> tombstones = {}) {
  EmbeddingRows rows;
  rows.variable = "w";
  rows.dim = 2;
  rows.state_dim = 1;
  rows.values.assign(keys.size() * 2, value);
  rows.states.assign(keys.size(), 0.5F);
  rows.frequencies.assign(keys.size(), 3);
  rows.last_updates.assign(keys.size(), 1700000000);
  rows.keys = std::move(keys);
  rows.tombstones = std::move(tombstones);
  return rows;
}

TEST_CASE("a dump is the merged state in order of keys, exact", "[freshetctl]") {
  Program program;
  const std::string log = program.Path("log");
  const DenseTensor bias{.variable = "bias", .shape = {1}, .values = {-0.0F}, .states = {0.1F}};
  CommitVersion(log,
                SmallManifest(1, 0, proto::Manifest::BASE),
                {.embeddings = {Rows({7, 2, 0xffffffffffffffffU}, 1.0F)}, .dense = {bias}});
  CommitVersion(
      log,
      SmallManifest(2, 1),
      {.embeddings = {Rows({2, 9}, std::numeric_limits<float>::quiet_NaN(), {7, 9})}, .dense = {}});
  CHECK(program.Run({"dump", "--log-dir", log, "--variable", "w"}) == 0);
  CHECK(program.out ==
        "0000000000000002 nan:7fc00000 nan:7fc00000 0x1p-1 3 1700000000\n"
        "0000000000000009 nan:7fc00000 nan:7fc00000 0x1p-1 3 1700000000\n"
        "ffffffffffffffff 0x1p+0 0x1p+0 0x1p-1 3 1700000000\n");
  CHECK(program.Run({"dump", "1", "--log-dir", log, "--variable", "w"}) == 0);
  CHECK(Contains(program.out, "0000000000000007 0x1p+0 0x1p+0 0x1p-1 3 1700000000\n"));
  CHECK(program.Run({"dump", "--log-dir", log, "--variable", "bias"}) == 0);
  CHECK(program.out == "value 0 -0x0p+0\nstate 0 0x1.99999ap-4\n");
  CHECK(program.Run({"dump", "--log-dir", log, "--variable", "v"}) == 1);
  CHECK(Contains(program.err, "version 2 has no variable 'v'"));
}

TEST_CASE("the same state dumps the same, however it came about", "[freshetctl]") {
  Program program;
  const std::string one = program.Path("one");
  const std::string two = program.Path("two");
  CommitVersion(one, SmallManifest(1, 0), {.embeddings = {Rows({1, 2, 3}, 0.1F)}, .dense = {}});
  CommitVersion(two, SmallManifest(1, 0), {.embeddings = {Rows({3, 5}, 0.2F)}, .dense = {}});
  CommitVersion(two, SmallManifest(2, 1), {.embeddings = {Rows({3, 1}, 0.1F, {5})}, .dense = {}});
  CommitVersion(two, SmallManifest(3, 2), {.embeddings = {Rows({2}, 0.1F)}, .dense = {}});
  CHECK(program.Run({"dump", "--log-dir", one, "--output", program.Path("a")}) == 0);
  CHECK(program.out.empty());
  CHECK(program.Run({"dump", "--log-dir", two, "--output", program.Path("b")}) == 0);
  CHECK(ReadBytes(program.Path("a")) == ReadBytes(program.Path("b")));
  CHECK(ReadBytes(program.Path("a")).substr(0, 13) == "# variable w\n");
  CHECK(program.Run({"dump", "2", "--log-dir", two, "--output", program.Path("b")}) == 0);
  CHECK(ReadBytes(program.Path("a")) != ReadBytes(program.Path("b")));
}

TEST_CASE("a dump tells what a feature policy keeps, deltas merged", "[freshetctl]") {
  Program program;
  const std::string log = program.Path("log");
  EmbeddingRows rows = Rows({1, 2}, 0.5F);
  rows.value_type = proto::F16;
  rows.lives = {{.shows = 1.5F, .clicks = 0.5F, .last_step = 7, .score_day = 19675, .slot = 3}, {}};
  rows.served = {1, 0};
  rows.candidates.keys = {8, 9};
  rows.candidates.frequencies = {1, 2};
  rows.candidates.last_updates = {3, 4};
  rows.filter = {.blocks = {6, 5}, .counters = std::vector<uint8_t>(128, 0xab)};
  rows.clock = {.step = 7, .event_time_s = 1700000009};
  CommitVersion(log, SmallManifest(1, 0), {.embeddings = {rows}, .dense = {}});
  rows = Rows({2}, 0.25F);
  rows.lives.resize(1);
  rows.served = {1};
  rows.candidates.keys = {8};
  rows.candidates.frequencies = {5};
  rows.candidates.last_updates = {6};
  rows.candidates.tombstones = {9};
  rows.candidates.lives = {{.shows = 1.0F}};
  rows.filter = {.blocks = {5}, .counters = std::vector<uint8_t>(64, 1)};
  rows.clock = {.step = 9, .event_time_s = 1700000008};
  CommitVersion(log, SmallManifest(2, 1), {.embeddings = {rows}, .dense = {}});
  CHECK(program.Run({"dump", "--log-dir", log, "--variable", "w"}) == 0);
  std::string abs;
  std::string ones;
  for (int i = 0; i < 64; ++i) {
    abs += "ab";
    ones += "01";
  }
  CHECK(program.out ==
        "0000000000000001 0x1p-1 0x1p-1 0x1p-1 3 1700000000 life 0x1.8p+0 0x1p-1 7 19675 3 "
        "served 1\n"
        "0000000000000002 0x1p-2 0x1p-2 0x1p-1 3 1700000000 life 0x0p+0 0x0p+0 0 0 0 served 1\n"
        "candidate 0000000000000008 5 6 life 0x1p+0 0x0p+0 0 0 0\n"
        "filter 5 " +
            ones +
            "\n"
            "filter 6 " +
            abs +
            "\n"
            "clock 9 1700000009\n");
}

}  // namespace
}  // namespace freshet::test
