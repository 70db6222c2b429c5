// Real data from file to features: scripts/data prepares it, the example configs read it.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "common/job/job_config.h"

using freshet::JobConfig;
using freshet::LocalFileSystem;
using freshet::ReadResult;
using freshet::Record;
using freshet::Sample;

namespace {

// A folder that is gone after the test.
class ScratchFolder {
 public:
  ScratchFolder() {
    path_ = (std::filesystem::temp_directory_path() / "freshet-data-XXXXXX").string();
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }

  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  ~ScratchFolder() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void Run(const std::string& command) {
  INFO(command);
  REQUIRE(std::system(("exec 2>/dev/null; " + command).c_str()) == 0);
}

// The example config of this name, with its data in `folder`.
JobConfig ExampleJob(const std::string& name, const std::string& folder) {
  ::setenv("FRESHET_RUN_DIR", folder.c_str(), 1);
  ::setenv("FRESHET_DATA_DIR", folder.c_str(), 1);
  auto job = LoadJobConfig(LocalFileSystem(), FRESHET_SOURCE_DIR "/examples/" + name);
  ::unsetenv("FRESHET_RUN_DIR");
  ::unsetenv("FRESHET_DATA_DIR");
  INFO(job.status());
  REQUIRE(job.ok());
  return *std::move(job);
}

struct Totals {
  uint64_t samples = 0;
  uint64_t positives = 0;
  uint64_t features = 0;
  std::set<freshet::Key> keys{};
  std::vector<int64_t> event_times{};
};

// Reads the whole stream; no line may be bad.
Totals ReadAll(JobConfig job) {
  job.stream.follow = false;
  const auto mapper = freshet::FeatureMapper::Make(job.model);
  const auto parser = MakeSampleParser(job.format, *mapper);
  const auto stream = MakeFileStream(LocalFileSystem(), freshet::SystemClock(), job.stream);
  Totals totals;
  Sample sample;
  Record record;
  const std::vector<std::string> partitions = stream->Partitions().value();
  for (const std::string& partition : partitions) {
    const auto reader = stream->Open(partition, 0).value();
    while (reader->Next(&record).value() == ReadResult::kRecord) {
      const auto status = (*parser)->Parse(record.bytes, &sample);
      INFO(record.bytes << "\n" << status);
      REQUIRE(status.ok());
      ++totals.samples;
      totals.positives += sample.label == 1.0F ? 1 : 0;
      totals.features += sample.features.size();
      totals.event_times.push_back(sample.event_time_ms);
      for (const auto& feature : sample.features) {
        totals.keys.insert(feature.key);
      }
    }
  }
  return totals;
}

// Where data stands that may not be passed on: $FRESHET_SHARED_DATA, or beside the source tree.
// Empty, with a warning, if this set is not there.
std::string SharedData(const std::string& set) {
  const char* folder = std::getenv("FRESHET_SHARED_DATA");
  const std::string root = folder != nullptr ? folder : FRESHET_SOURCE_DIR "/../shared/data";
  if (std::filesystem::is_directory(root + "/" + set)) {
    return root + "/" + set;
  }
  WARN("skipped: no " << set << " in " << root << "; set FRESHET_SHARED_DATA");
  return "";
}

std::string Script(const std::string& name) {
  return FRESHET_SOURCE_DIR "/scripts/data/" + name + " ";
}

}  // namespace

TEST_CASE("the data that ships becomes a stream in order of time", "[job][data]") {
  const ScratchFolder folder;
  Run(Script("movielens-latest-small") + folder.path() + "/stream");
  // The catalogue stands beside; the stream is what the example's folder should hold alone.
  std::filesystem::rename(folder.path() + "/stream/catalogue.csv",
                          folder.path() + "/catalogue.csv");
  const Totals totals = ReadAll(ExampleJob("movielens-small.yaml", folder.path()));
  CHECK(totals.samples == 100'836);
  CHECK(totals.positives == 48'580);
  // 610 users, 9,724 movies that were rated, 20 genres with "(no genres listed)".
  CHECK(totals.keys.size() == 610 + 9724 + 20);
  CHECK(std::is_sorted(totals.event_times.begin(), totals.event_times.end()));
  CHECK(totals.event_times.front() == 828124615000);  // 1996-03-29
  const auto catalogue = ReadFile(LocalFileSystem(), folder.path() + "/catalogue.csv");
  REQUIRE(catalogue.ok());
  CHECK(std::count(catalogue->begin(), catalogue->end(), '\n') == 9743);
}

TEST_CASE("files in MovieLens 1M's layout become a stream that its example reads", "[job][data]") {
  const ScratchFolder folder;
  const std::string in = folder.path() + "/in";
  Run("mkdir " + in + " && printf '1::F::1::10::48067\\n2::M::56::16::70072\\n' >" + in +
      "/users.dat && printf '10::A Film (1999)::Action|Drama\\n20::Another (2000)::Comedy\\n' >" +
      in + "/movies.dat && printf '2::20::3::978300019\\n1::10::5::978300000\\n" +
      "1::20::4::978300100\\n' >" + in + "/ratings.dat");
  Run(Script("movielens-1m") + in + " " + folder.path());
  const Totals totals = ReadAll(ExampleJob("movielens-1m.yaml", folder.path()));
  CHECK(totals.samples == 3);
  CHECK(totals.positives == 2);  // 4 and 5 stars
  CHECK(totals.event_times ==
        std::vector<int64_t>{978'300'000'000, 978'300'019'000, 978'300'100'000});
  // user, movie, gender, age, occupation, and two, one, one genres
  CHECK(totals.features == 3 * 5 + 4);
}

TEST_CASE("lines in Criteo's layout are dealt out and read by its example", "[job][data]") {
  const ScratchFolder folder;
  std::ofstream train(folder.path() + "/train.txt");
  for (int line = 0; line < 5; ++line) {
    train << line % 2;
    for (int count = 0; count < 13; ++count) {
      train << '\t';
      if (count != line) {  // one count is missing in each line
        train << count * line - 1;
      }
    }
    for (int id = 0; id < 26; ++id) {
      train << '\t' << std::hex << (line * 31 + id) << std::dec;
    }
    train << '\n';
  }
  train.close();
  Run(Script("criteo") + folder.path() + "/train.txt " + folder.path() + " 2");
  const Totals totals = ReadAll(ExampleJob("criteo.yaml", folder.path()));
  CHECK(totals.samples == 5);
  CHECK(totals.positives == 2);
  CHECK(totals.features == 5 * (12 + 26));
}

TEST_CASE("MovieLens 1M is joined with its users", "[job][data]") {
  const std::string source = SharedData("movielens-1m");
  if (source.empty()) {
    return;
  }
  const ScratchFolder folder;
  const std::string in = folder.path() + "/in";
  Run("set -e; mkdir " + in + "; cd " + source +
      "; for f in users movies; do zstd -dqc $f.dat.zst >" + in +
      "/$f.dat; done; zstd -dqc ratings_timed.dat.zst | tail -n 50000 >" + in + "/ratings.dat");
  Run(Script("movielens-1m") + in + " " + folder.path());
  const Totals totals = ReadAll(ExampleJob("movielens-1m.yaml", folder.path()));
  CHECK(totals.samples == 50'000);
  CHECK(totals.features > 6 * totals.samples);  // five single slots, and at least one genre
  CHECK(std::is_sorted(totals.event_times.begin(), totals.event_times.end()));
}

TEST_CASE("Criteo's click log is dealt to partitions and read", "[job][data]") {
  const std::string source = SharedData("criteo-sample");
  if (source.empty()) {
    return;
  }
  const ScratchFolder folder;
  Run("zstd -dqc " + source + "/criteo_train_parts_00_66.tsv.zst | head -n 20000 >" +
      folder.path() + "/train.txt");
  Run(Script("criteo") + folder.path() + "/train.txt " + folder.path() + " 3");
  const Totals totals = ReadAll(ExampleJob("criteo.yaml", folder.path()));
  CHECK(totals.samples == 20'000);
  CHECK(totals.positives > 4000);
  CHECK(totals.positives < 7000);
  CHECK(totals.features < 39 * totals.samples);  // missing values make none
  CHECK(totals.features > 30 * totals.samples);
}
