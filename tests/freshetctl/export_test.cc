#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <limits>

#include "tests/freshetctl/program.h"

namespace freshet::test {
namespace {

EmbeddingRows Rows(std::vector<Key> keys, float value) {
  EmbeddingRows rows;
  rows.variable = "w";
  rows.dim = 2;
  rows.state_dim = 1;
  for (size_t i = 0; i < keys.size(); ++i) {
    rows.values.insert(rows.values.end(), {value, -value / 3});
  }
  rows.states.assign(keys.size(), 0.5F);
  rows.frequencies.assign(keys.size(), 3);
  rows.last_updates.assign(keys.size(), 1700000000);
  rows.keys = std::move(keys);
  return rows;
}

proto::Manifest ManifestOf(uint64_t version, uint64_t parent) {
  proto::Manifest manifest = SmallManifest(version, parent);
  proto::EmbeddingVariable& variable = *manifest.mutable_model()->add_embedding_variables();
  variable.set_name("w");
  variable.set_dim(2);
  return manifest;
}

// Version 1: keys 7, 2 and the largest; version 2 deletes 7, and sets 2 again.
struct Log {
  Log() {
    CommitVersion(directory,
                  ManifestOf(1, 0),
                  {.embeddings = {Rows({7, 2, 0xffffffffffffffffU}, 1.0F)}, .dense = {}});
    EmbeddingRows delta = Rows({2}, std::numeric_limits<float>::quiet_NaN());
    delta.tombstones = {7};
    CommitVersion(directory, ManifestOf(2, 1), {.embeddings = {delta}, .dense = {}});
  }

  int Export(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"export", "w", "--log-dir", directory});
    return program.Run(arguments);
  }

  Program program;
  std::string directory = program.Path("log");
  std::string output = program.Path("out");
};

TEST_CASE("an export to csv has a line of names and a line a row, by key", "[freshetctl]") {
  Log log;
  CHECK(log.Export({"--output", log.output}) == 0);
  CHECK(log.program.out == "2 rows of 'w' as of version 2 are in " + log.output + "\n");
  CHECK(ReadBytes(log.output) ==
        "key,value_0,value_1\n"
        "2,nan,-nan\n"
        "18446744073709551615,1,-0.33333334\n");
  // An earlier version, with all that there is; an earlier file is replaced.
  CHECK(log.Export({"--output", log.output, "--version", "1", "--state", "--metadata"}) == 0);
  CHECK(ReadBytes(log.output) ==
        "key,value_0,value_1,state_0,frequency,last_update\n"
        "2,1,-0.33333334,0.5,3,1700000000\n"
        "7,1,-0.33333334,0.5,3,1700000000\n"
        "18446744073709551615,1,-0.33333334,0.5,3,1700000000\n");
}

TEST_CASE("an export to text is what word2vec writes", "[freshetctl]") {
  Log log;
  CHECK(log.Export({"--output", log.output, "--format", "text", "--version", "1"}) == 0);
  CHECK(ReadBytes(log.output) ==
        "3 2\n"
        "2 1 -0.33333334\n"
        "7 1 -0.33333334\n"
        "18446744073709551615 1 -0.33333334\n");
}

std::string OutputOf(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  std::array<char, 4096> buffer{};
  for (size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    output.append(buffer.data(), got);
  }
  CHECK(::pclose(pipe) == 0);
  return output;
}

// Each array of a folder, by name: type, shape and numbers.
std::string PrintedByNumpy(const std::string& folder) {
  return OutputOf(std::string(FRESHET_PYTHON3) +
                  " -c 'import glob, numpy, os, sys\n"
                  "for path in sorted(glob.glob(sys.argv[1] + \"/*.npy\")):\n"
                  "    array = numpy.load(path, mmap_mode=\"r\")\n"
                  "    print(os.path.basename(path), array.dtype, array.shape, array.tolist())' " +
                  folder);
}

TEST_CASE("numpy opens an export", "[freshetctl]") {
  Log log;
  CHECK(log.Export({"--output", log.output, "--format", "npy", "--version", "1"}) == 0);
  CHECK(PrintedByNumpy(log.output) ==
        "keys.npy uint64 (3,) [2, 7, 18446744073709551615]\n"
        "values.npy float32 (3, 2) [[1.0, -0.3333333432674408], [1.0, -0.3333333432674408], "
        "[1.0, -0.3333333432674408]]\n");
  CHECK(log.Export({"--output", log.output, "--format", "npy"}) == 1);
  CHECK(Contains(log.program.err, log.output + " is there already"));
}

TEST_CASE("numpy opens all that a feature policy keeps, and what is empty", "[freshetctl]") {
  Log log;
  EmbeddingRows rows = Rows({1, 2}, 0.5F);
  rows.lives = {{.shows = 1.5F, .clicks = 0.5F, .last_step = 7, .score_day = 19675, .slot = 3}, {}};
  rows.served = {1, 0};
  const std::string other = log.program.Path("other");
  proto::Manifest manifest = ManifestOf(1, 0);
  manifest.mutable_model()->add_embedding_variables()->set_name("empty");
  manifest.mutable_model()->mutable_embedding_variables(2)->set_dim(5);
  CommitVersion(other, manifest, {.embeddings = {rows}, .dense = {}});
  CHECK(log.program.Run({"export",
                         "w",
                         "--log-dir",
                         other,
                         "--output",
                         log.output,
                         "--format",
                         "npy",
                         "--state",
                         "--metadata"}) == 0);
  CHECK(PrintedByNumpy(log.output) ==
        "clicks.npy float32 (2,) [0.5, 0.0]\n"
        "frequency.npy uint32 (2,) [3, 3]\n"
        "keys.npy uint64 (2,) [1, 2]\n"
        "last_step.npy uint32 (2,) [7, 0]\n"
        "last_update.npy uint32 (2,) [1700000000, 1700000000]\n"
        "score_day.npy uint16 (2,) [19675, 0]\n"
        "served.npy uint8 (2,) [1, 0]\n"
        "shows.npy float32 (2,) [1.5, 0.0]\n"
        "slot.npy uint16 (2,) [3, 0]\n"
        "states.npy float32 (2, 1) [[0.5], [0.5]]\n"
        "values.npy float32 (2, 2) [[0.5, -0.1666666716337204], [0.5, -0.1666666716337204]]\n");
  const std::string empty = log.program.Path("empty");
  CHECK(log.program.Run(
            {"export", "empty", "--log-dir", other, "--output", empty, "--format", "npy"}) == 0);
  CHECK(PrintedByNumpy(empty) ==
        "keys.npy uint64 (0,) []\n"
        "values.npy float32 (0, 5) []\n");
}

TEST_CASE("an export that cannot be leaves no file", "[freshetctl]") {
  Log log;
  const auto fails = [&](const std::vector<std::string>& arguments, const std::string& why) {
    CHECK(log.program.Run(arguments) == 1);
    INFO(log.program.err);
    CHECK(Contains(log.program.err, why));
    CHECK_FALSE(std::filesystem::exists(log.output));
    CHECK_FALSE(std::filesystem::exists(log.output + ".unfinished"));
  };
  fails({"export", "v", "--log-dir", log.directory, "--output", log.output},
        "the model has no embedding variable 'v'");
  fails({"export", "w", "--version", "9", "--log-dir", log.directory, "--output", log.output}, "9");
  fails({"export", "w", "--log-dir", log.program.Path("no"), "--output", log.output},
        "there is no version log at");
  const std::string part = log.directory + "/000000000001/part-0-0.safetensors";
  std::string bytes = ReadBytes(part);
  bytes.back() ^= 1;
  WriteBytes(part, bytes);
  fails({"export", "w", "--log-dir", log.directory, "--output", log.output}, part);
}

}  // namespace
}  // namespace freshet::test
