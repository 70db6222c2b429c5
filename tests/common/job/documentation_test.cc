// Checks docs/configuration.md and examples/ against what the code reads.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>

#include "common/cluster/cluster_config.h"
#include "common/cluster/event_kinds.h"
#include "common/config/config_file.h"
#include "common/job/job_config.h"

using freshet::ConfigFile;
using freshet::LocalFileSystem;

namespace {

std::string ReadSource(const std::string& path) {
  auto text = freshet::ReadFile(LocalFileSystem(), FRESHET_SOURCE_DIR "/" + path);
  INFO(text.status());
  REQUIRE(text.ok());
  return *std::move(text);
}

bool IsClusterFile(const std::string& text) {
  return std::regex_search(text, std::regex("(^|\n)cluster:"));
}

// Reads a config of either kind; adds the keys it was asked for.
void Load(const std::string& path, const std::string& text, std::set<std::string>* keys) {
  INFO(path << ":\n" << text);
  const auto file = ConfigFile::Parse(path, text);
  INFO(file.status());
  REQUIRE(file.ok());
  const auto status =
      IsClusterFile(text) ? ReadClusterConfig(**file).status() : ReadJobConfig(**file).status();
  INFO(status);
  CHECK(status.ok());
  const auto& known = (*file)->known_keys();
  keys->insert(known.begin(), known.end());
}

std::vector<std::string> YamlBlocks(const std::string& markdown) {
  std::vector<std::string> blocks;
  const std::string open = "```yaml\n";
  for (size_t at = markdown.find(open); at != std::string::npos; at = markdown.find(open, at)) {
    at += open.size();
    blocks.push_back(markdown.substr(at, markdown.find("```", at) - at));
  }
  return blocks;
}

// Keys that are asked for only in one case or another.
const char* const kRareKeys = R"(
stream: {path: d}
format:
  columns: [a]
  label: {column: a, positive_at_least: 1}
  weight: {column: a}
  event_time: {column: a}
slots: [{name: a, column: a, admission: {}, eviction: {}, serving_filter: {}}]
model:
  kind: lr
  admission: {filter_freq: 2, bloom: {max_element_size: 10}}
  optimizer: {kind: adam}
  dense_optimizer: {kind: ftrl}
)";

// The settings of each kind of optimizer are asked for in its own case only.
std::string WithOptimizer(const std::string& optimizer) {
  return "stream: {path: d}\nformat: {columns: [a], label: {column: a}}\nslots: [{name: a}]\n"
         "model: {kind: lr, optimizer: {" +
         optimizer + "}}\n";
}

const char* const kRareOptimizers[] = {
    "kind: momentum",
    "kind: adagrad",
    "kind: rmsprop",
    "kind: group_lasso_ftrl",
    "kind: adamw",
    "schedule: {kind: step, decay_steps: 1}",
    "schedule: {kind: polynomial, decay_steps: 1}",
};

}  // namespace

TEST_CASE("each example file loads", "[job][docs]") {
  ::unsetenv("FRESHET_RUN_DIR");
  const auto names = LocalFileSystem().List(FRESHET_SOURCE_DIR "/examples");
  REQUIRE(names.ok());
  std::set<std::string> keys;
  int loaded = 0;
  for (const std::string& name : *names) {
    if (name.ends_with(".yaml")) {
      Load(FRESHET_SOURCE_DIR "/examples/" + name, ReadSource("examples/" + name), &keys);
      ++loaded;
    }
  }
  CHECK(loaded >= 4);
}

TEST_CASE("the quickstart runs where it is told to", "[job][docs]") {
  ::setenv("FRESHET_RUN_DIR", "/scratch/q", 1);
  const auto cluster =
      LoadClusterConfig(LocalFileSystem(), FRESHET_SOURCE_DIR "/examples/quickstart.yaml");
  REQUIRE(cluster.ok());
  CHECK(cluster->run_dir == "/scratch/q");
  CHECK(cluster->log_dir == "/scratch/q/log");
  const auto job = LoadJobConfig(LocalFileSystem(), cluster->worker.job);
  REQUIRE(job.ok());
  CHECK(job->stream.path == "/scratch/q/stream");
  CHECK(LocalFileSystem().Stat(cluster->serving.catalogue.path).ok());
  // Serving makes an item's features of the catalogue.
  const auto& columns = cluster->serving.catalogue.columns;
  for (const auto& slot : job->model.slots()) {
    if (slot.side() == freshet::proto::Slot::ITEM) {
      INFO(slot.name());
      CHECK(std::count(columns.begin(), columns.end(), slot.column()) == 1);
    }
  }
  ::unsetenv("FRESHET_RUN_DIR");
}

TEST_CASE("each kind of event that is recorded is known, and documented", "[job][docs]") {
  const std::regex record(R"re(Record\(\s*"([a-z_]+)")re");
  std::set<std::string> recorded;
  for (const auto& file : std::filesystem::directory_iterator(FRESHET_SOURCE_DIR "/coordinator")) {
    const std::string source = ReadSource("coordinator/" + file.path().filename().string());
    for (std::sregex_iterator at(source.begin(), source.end(), record), end; at != end; ++at) {
      recorded.insert((*at)[1]);
    }
  }
  const std::vector<std::string>& known = freshet::EventKinds();
  CHECK(recorded == std::set<std::string>(known.begin(), known.end()));
  const std::string page = ReadSource("docs/events.md");
  for (const std::string& kind : freshet::EventKinds()) {
    INFO(kind);
    CHECK(page.find('`' + kind + '`') != std::string::npos);
  }
}

TEST_CASE("each example in the documentation loads, and each key is documented", "[job][docs]") {
  const std::string page = ReadSource("docs/configuration.md");
  std::set<std::string> keys;
  const auto blocks = YamlBlocks(page);
  CHECK(blocks.size() >= 3);
  for (const std::string& block : blocks) {
    Load("/docs/configuration.yaml", block, &keys);
  }
  Load("/rare.yaml", kRareKeys, &keys);
  for (const char* const optimizer : kRareOptimizers) {
    Load("/rare.yaml", WithOptimizer(optimizer), &keys);
  }
  Load("quickstart.yaml", ReadSource("examples/quickstart.yaml"), &keys);
  CHECK(keys.contains("format.event_time.unit"));  // the list of keys is not empty by mistake
  CHECK(keys.contains("serving.catalogue.id_column"));
  for (const std::string& key : keys) {
    const std::string last = key.substr(key.rfind('.') + 1);
    INFO(key);
    const bool mentioned = page.find('`' + last + '`') != std::string::npos ||
                           page.find('.' + last + '`') != std::string::npos;
    CHECK(mentioned);
  }
}
