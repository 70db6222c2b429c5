#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>

#include "tests/common/forwarding_files.h"
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
        R"([{"version":3,"parent":1,"kind":"ROLLBACK","has_base":false,)"
        R"("newest":true,"pinned":false,)"
        R"("verdict":"NONE","epoch":18446744073709551615,)"
        R"("created_unix_ms":1700000000123,"rows":0,"tombstones":0,"bytes":0,"parts":0,)"
        R"("event_time_watermark_ms":0,"metrics":{"samples":0,"auc":0.3333333333333333,)"
        R"("log_loss":0.0,"calibration":null,"total_samples":0,"total_auc":0.0,)"
        R"("total_log_loss":0.0,"total_calibration":0.0,"normalized_entropy":0.0,)"
        R"("total_normalized_entropy":0.0,"gauc":0.0,"gauc_samples":0,"total_gauc":0.0,)"
        R"("total_gauc_samples":0,"slices":[]}}])"
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

TEST_CASE("a version is pinned with a note, and unpinned", "[freshetctl]") {
  Log log;
  CHECK(log.program.Run({"versions", "pin", "2", "--note", "mine", "--log-dir", log.directory}) ==
        0);
  CHECK(log.program.out == "version 2 is pinned\n");
  CHECK(log.program.Run({"versions", "--log-dir", log.directory}) == 0);
  CHECK(Contains(log.program.out, "pinned: mine"));
  CHECK(log.program.Run({"versions", "unpin", "2", "--log-dir", log.directory}) == 0);
  CHECK(log.program.Run({"versions", "unpin", "2", "--log-dir", log.directory}) == 1);
  CHECK(Contains(log.program.err, "version 2 is not pinned"));
  CHECK(log.program.Run({"versions", "pin", "9", "--log-dir", log.directory}) == 1);
  CHECK(Contains(log.program.err, "there is no version 9"));
}

TEST_CASE("verify --all tells of each version whether it can be read whole", "[freshetctl]") {
  Log log;
  CHECK(log.program.Run({"versions", "verify", "--all", "--log-dir", log.directory}) == 0);
  CHECK(log.program.out == "1  whole\n2  whole\n3  whole\n");
  std::string bytes = ReadBytes(log.part_of_2);
  bytes[bytes.size() - 3] ^= 1;
  WriteBytes(log.part_of_2, bytes);
  CHECK(log.program.Run({"versions", "verify", "--all", "--log-dir", log.directory}) == 1);
  CHECK(Contains(log.program.out, "1  whole\n2  DAMAGED"));
  CHECK(Contains(log.program.out, "3  whole\n"));
  CHECK(Contains(log.program.err, "1 of 3 versions"));
}

// Removes version 2 as a coordinator would, at the moment at which its part is to be read.
class RemovingFiles final : public ForwardingFiles {
 public:
  explicit RemovingFiles(std::string log_directory) : log_(*this, std::move(log_directory)) {}

  StatusOr<std::unique_ptr<ReadableFile>> OpenReadable(const std::string& path) override {
    if (Contains(path, log_.VersionDirectory(VersionId(2)) + "/part-")) {
      CHECK(log_.Retire(VersionId(2)).ok());
      CHECK(log_.RemoveFolder(VersionId(2)).ok());
    }
    return ForwardingFiles::OpenReadable(path);
  }

 private:
  VersionLog log_;
};

TEST_CASE("verify --all does not take for damaged what is removed meanwhile", "[freshetctl]") {
  Log log;
  RemovingFiles files(log.directory);
  log.program.files = &files;
  CHECK(log.program.Run({"versions", "verify", "--all", "--log-dir", log.directory}) == 0);
  CHECK(log.program.out == "1  whole\n2  removed meanwhile\n3  whole\n");
}

TEST_CASE("diff tells which rows two versions have differently", "[freshetctl]") {
  Log log;
  CHECK(log.program.Run({"versions", "diff", "1", "3", "--log-dir", log.directory}) == 0);
  CHECK(Contains(log.program.out, "0 came, 0 went, 0 changed"));
  PartContents contents = SmallContents();
  contents.embeddings[0].values[0] += 0.5F;
  contents.embeddings[0].tombstones = {contents.embeddings[0].keys[1]};
  contents.embeddings[0].keys[1] = 12345;
  CommitVersion(log.directory, SmallManifest(4, 1), contents);
  CHECK(log.program.Run({"versions", "diff", "1", "4", "--log-dir", log.directory}) == 0);
  INFO(log.program.out);
  CHECK(Contains(log.program.out, "1 came, 1 went, 1 changed"));
  CHECK(Contains(log.program.out, "largest move of an element 0.5"));
  CHECK(Contains(log.program.out, "0x0000000000003039"));
}

TEST_CASE("a report is a line a version, and charts", "[freshetctl]") {
  Log log;
  const std::string folder = log.program.Path("report");
  CHECK(log.program.Run({"report", "--output", folder, "--log-dir", log.directory}) == 0);
  const std::string csv = ReadBytes(folder + "/versions.csv");
  CHECK(Contains(csv, "version,created_unix_ms,event_time_ms,samples,total_samples,auc,total_auc"));
  CHECK(Contains(csv, "\n1,1700000000123,1700000000000,1234,0,0.750000,"));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 4);
}

}  // namespace
}  // namespace freshet::test
