#include <catch2/catch.hpp>

#include "tests/freshetctl/program.h"

namespace freshet::test {
namespace {

TEST_CASE("a replay deals lines out in turn and says when it is done", "[freshetctl]") {
  Program program;
  WriteBytes(program.Path("in.csv"), "a\nb\r\n\nd\ne");
  const std::string to = program.Path("stream");
  CHECK(program.Run(
            {"replay", program.Path("in.csv"), "--to", to, "--partitions", "2", "--rate", "0"}) ==
        0);
  CHECK(ReadBytes(to + "/part-0.csv") == "a\n\ne\n");
  CHECK(ReadBytes(to + "/part-1.csv") == "b\r\nd\n");
  CHECK(std::filesystem::exists(to + "/_SUCCESS"));
  CHECK(Contains(program.out, "5 lines into 2 partitions of " + to));
}

TEST_CASE("each partition of a replay begins with the header, and a limit holds without it",
          "[freshetctl]") {
  Program program;
  WriteBytes(program.Path("in.csv"), "x,y\n1,2\n3,4\n5,6\n");
  const std::string to = program.Path("stream");
  CHECK(program.Run({"replay",
                     program.Path("in.csv"),
                     "--to",
                     to,
                     "--partitions",
                     "2",
                     "--rate",
                     "0",
                     "--header",
                     "--limit",
                     "1"}) == 0);
  CHECK(ReadBytes(to + "/part-0.csv") == "x,y\n1,2\n");
  CHECK(ReadBytes(to + "/part-1.csv") == "x,y\n");
}

TEST_CASE("a replay keeps its rate", "[freshetctl]") {
  Program program;
  std::string lines;
  for (int i = 0; i < 5000; ++i) {
    lines += std::to_string(i) + "\n";
  }
  WriteBytes(program.Path("in.csv"), lines);
  CHECK(program.Run(
            {"replay", program.Path("in.csv"), "--to", program.Path("stream"), "--rate", "1000"}) ==
        0);
  // Line i is due at i / 1000 s; the clock moves in steps of 10 ms, and only by sleeping.
  CHECK(program.clock.Monotonic() >= std::chrono::milliseconds(4990));
  CHECK(program.clock.Monotonic() <= std::chrono::milliseconds(5010));
  CHECK(ReadBytes(program.Path("stream/part-0.csv")) == lines);
  // Lines 0 to 1000 have 10 * 2 + 90 * 3 + 900 * 4 + 5 = 3895 bytes of 3890 + 4000 * 5.
  CHECK(Contains(program.out, "1,001 lines, 16.3%, 1,001 lines/s\n"));
}

TEST_CASE("a replay does not touch a stream that exists", "[freshetctl]") {
  Program program;
  WriteBytes(program.Path("in.csv"), "a\n");
  WriteBytes(program.Path("part-0.csv"), "precious\n");
  CHECK(program.Run(
            {"replay", program.Path("in.csv"), "--to", program.directory.path(), "--rate", "0"}) ==
        1);
  CHECK(ReadBytes(program.Path("part-0.csv")) == "precious\n");
  CHECK(program.Run({"replay", program.Path("none"), "--to", program.Path("s"), "--rate", "0"}) ==
        1);
  CHECK(Contains(program.err, program.Path("none")));
  CHECK_FALSE(std::filesystem::exists(program.Path("s")));
}

TEST_CASE("a line longer than what is read at once stays whole", "[freshetctl]") {
  Program program;
  const std::string content = std::string(3'000'000, 'x') + "\ny\n";
  WriteBytes(program.Path("in.csv"), content);
  CHECK(program.Run({"replay", program.Path("in.csv"), "--to", program.Path("s"), "--rate", "0"}) ==
        0);
  CHECK(ReadBytes(program.Path("s/part-0.csv")) == content);
}

}  // namespace
}  // namespace freshet::test
