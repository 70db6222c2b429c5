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

}  // namespace
}  // namespace freshet::test
