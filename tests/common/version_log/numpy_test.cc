#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "common/version_log/part_file.h"
#include "tests/common/version_log/contents.h"

namespace freshet::test {
namespace {

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

std::string PrintedByNumpy(const PartContents& contents) {
  const TemporaryDirectory directory;
  REQUIRE(WritePart(LocalFileSystem(), directory.path(), "part", contents).ok());
  return OutputOf(std::string(FRESHET_PYTHON3) + " " + FRESHET_SOURCE_DIR +
                  "/tests/common/version_log/read_part.py " + directory.path() + "/part");
}

TEST_CASE("numpy opens a part with no code of ours", "[version_log]") {
  const std::string output = PrintedByNumpy(SmallContents());
  // SmallContents, as Python prints it; a float32 is shown as the double that it is.
  const std::string expected =
      "bias/dense_states float32 [4] [0.25, 0.5, 0.75, 1.0]\n"
      "bias/dense_values float32 [2, 2] [[1.0, 2.0], [3.0, 4.0]]\n"
      "factors/frequencies uint32 [3] [1, 2, 4000000000]\n"
      "factors/keys uint64 [3] [1, 18446744073709551615, 81985529216486895]\n"
      "factors/last_updates uint32 [3] [1700000000, 1700000001, 1700000002]\n"
      "factors/states float32 [3, 1] [[0.10000000149011612], [0.20000000298023224], "
      "[0.30000001192092896]]\n"
      "factors/tombstones uint64 [2] [42, 43]\n"
      "factors/values float32 [3, 3] [[0.5, -1.25, 2.999999892949745e-08], [0.0, -0.0, "
      "1.0000000150474662e+30], [7.0, 8.0, 9.0]]\n"
      "linear/ad \"x\"/frequencies uint32 [1] [9]\n"
      "linear/ad \"x\"/keys uint64 [1] [77]\n"
      "linear/ad \"x\"/last_updates uint32 [1] [1700000003]\n"
      "linear/ad \"x\"/tombstones uint64 [0] []\n"
      "linear/ad \"x\"/values float32 [1, 1] [[-2.5]]\n";
  CHECK(output == expected);
}

TEST_CASE("numpy opens a part with values of 16 bits and a feature policy", "[version_log]") {
  const std::string output = PrintedByNumpy(PolicyContents());
  INFO(output);
  for (const char* line : {"half/values float16 [3, 1] [[0.5], [-2.0], [5.960464477539063e-08]]\n",
                           "half/served uint8 [3] [1, 0, 1]\n",
                           "half/score_days uint16 [3] [19675, 65535, 0]\n",
                           "half/candidate_keys uint64 [2] [11, 12]\n",
                           "half/filter_counters uint8 [1, 64] [[0, 1, 2, ",
                           "half/clock uint64 [2] [12, 1700000004]\n",
                           "brain/values float32 [1, 3] [[1.0, -2.52"}) {
    CHECK(output.find(line) != std::string::npos);
  }
}

}  // namespace
}  // namespace freshet::test
