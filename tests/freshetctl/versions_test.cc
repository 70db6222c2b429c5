#include <catch2/catch.hpp>

#include "tests/freshetctl/program.h"

namespace freshet::test {
namespace {

// 1 base, 2 delta, 3 a rollback to 1.
struct Log {
  Log() {
    proto::Manifest base = SmallManifest(1, 0, proto::Manifest::BASE);
    base.mutable_metrics()->set_samples(1234);
    base.mutable_metrics()->set_auc(0.75);
    base.mutable_metrics()->set_log_loss(0.5);
    base.set_event_time_watermark_ms(1'700'000'000'000);
    CommitVersion(directory, base, SmallContents());
    CommitVersion(directory, SmallManifest(2, 1), SmallContents());
    CommitVersion(directory, SmallManifest(3, 1, proto::Manifest::ROLLBACK), {});
  }

  Program program;
  std::string directory = program.Path("log");
  std::string part_of_2 = directory + "/000000000002/part-0-0.safetensors";
  std::string manifest_of_2 = directory + "/000000000002/manifest.json";
};

TEST_CASE("versions are a table with the newest marked", "[freshetctl]") {
  Log log;
  const std::string expected =
      "VERSION  PARENT  KIND      CREATED (UTC)          AGE  ROWS  TOMBSTONES    BYTES  SAMPLES   "
      "  "
      "AUC  LOG LOSS  EVENT TIME (UTC)     NOTE\n"
      "     1        0  base      2023-11-14 22:13:20  1m00s     4           2  1.8 KiB    1,234  "
      "0.7500    0.5000  2023-11-14 22:13:20  -\n"
      "     2        1  delta     2023-11-14 22:13:20  1m00s     4           2  1.8 KiB        0   "
      "    "
      "-         -  -                    -\n"
      "     3*       1  rollback  2023-11-14 22:13:20  1m00s     0           0      0 B        0   "
      "    "
      "-         -  -                    -\n";
  CHECK(log.program.Run({"versions", "--log-dir", log.directory}) == 0);
  CHECK(log.program.out == expected);
  CHECK(log.program.Run({"versions", "list", "--log-dir", log.directory}) == 0);
  CHECK(log.program.out == expected);
}

TEST_CASE("versions as JSON are for scripts", "[freshetctl]") {
  Log log;
  CHECK(log.program.Run(
            {"versions", "list", "--json", "--last", "1", "--log-dir", log.directory}) == 0);
  CHECK(log.program.out ==
        R"([{"version":3,"parent":1,"kind":"ROLLBACK","newest":true,"pinned":false,)"
        R"("verdict":"NONE","epoch":18446744073709551615,)"
        R"("created_unix_ms":1700000000123,"rows":0,"tombstones":0,"bytes":0,"parts":0,)"
        R"("event_time_watermark_ms":0,"metrics":{"samples":0,"auc":0.3333333333333333,)"
        R"("log_loss":0.0,"calibration":null,"total_samples":0,"total_auc":0.0,)"
        R"("total_log_loss":0.0,"total_calibration":0.0}}])"
        "\n");
}

TEST_CASE("a version is shown with its chain, positions and parts", "[freshetctl]") {
  Log log;
  CHECK(log.program.Run({"versions", "show", "2", "--log-dir", log.directory}) == 0);
  CHECK(Contains(log.program.out, "loads           1, 2\n"));
  CHECK(Contains(log.program.out, "     0  part-0.csv    2000 "));
  CHECK(Contains(log.program.out, "part-0-0.safetensors       0  1.8 KiB     4           2  "));
  CHECK(log.program.Run({"versions", "show", "--json", "--log-dir", log.directory}) == 0);
  CHECK(Contains(log.program.out, R"("kind":"ROLLBACK")"));
  CHECK(Contains(log.program.out, R"("positives":[])"));
}

TEST_CASE("verify reads what the version needs, and no more", "[freshetctl]") {
  Log log;
  CHECK(log.program.Run({"versions", "verify", "2", "--log-dir", log.directory}) == 0);
  CHECK(Contains(log.program.out, "version 2 is whole: 2 version(s), 2 part(s)"));
  std::string bytes = ReadBytes(log.part_of_2);
  bytes.back() ^= 1;
  WriteBytes(log.part_of_2, bytes);
  CHECK(log.program.Run({"versions", "verify", "2", "--log-dir", log.directory}) == 1);
  CHECK(Contains(log.program.err, log.part_of_2));
  CHECK(log.program.Run({"versions", "verify", "--log-dir", log.directory}) == 0);
  CHECK(log.program.Run({"versions", "verify", "9", "--log-dir", log.directory}) == 1);
}

TEST_CASE("a damaged manifest is listed as such, and fails the command", "[freshetctl]") {
  Log log;
  std::string bytes = ReadBytes(log.manifest_of_2);
  bytes[60] ^= 1;
  WriteBytes(log.manifest_of_2, bytes);
  CHECK(log.program.Run({"versions", "--log-dir", log.directory}) == 1);
  CHECK(Contains(log.program.out, "     2        -  damaged "));
  CHECK(Contains(log.program.out, "     3*       1  rollback "));
  CHECK(Contains(log.program.err, log.manifest_of_2));
}

TEST_CASE("a log that is not there, or empty, is told from one without damage", "[freshetctl]") {
  Program program;
  CHECK(program.Run({"versions", "--log-dir", program.Path("nowhere")}) == 1);
  CHECK(Contains(program.err, "there is no version log at " + program.Path("nowhere")));
  CHECK(program.Run({"versions", "--log-dir", program.directory.path()}) == 0);
  CHECK(program.Run({"versions", "verify", "--log-dir", program.directory.path()}) == 1);
  CHECK(Contains(program.err, "holds no version"));
}

}  // namespace
}  // namespace freshet::test
