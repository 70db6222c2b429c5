#include "tests/serving/test_log.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/job/job_config.h"
#include "common/version_log/part_file.h"

namespace freshet::serving::test {
namespace {

std::string MakeDirectory() {
  std::string path = (std::filesystem::temp_directory_path() / "freshet-XXXXXX").string();
  REQUIRE(::mkdtemp(path.data()) != nullptr);
  return path;
}

}  // namespace

TestLog::TestLog(proto::ModelSpec model)
    : root_(MakeDirectory()), log_(LocalFileSystem(), root_ + "/log"), model_(std::move(model)) {}

TestLog::~TestLog() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

void TestLog::WriteFile(const std::string& name, const std::string& content) const {
  REQUIRE(WriteFileAtomically(LocalFileSystem(), Path(name), content).ok());
}

PartContents TestLog::MakePart(const Rows& rows, const std::vector<Key>& tombstones) const {
  EmbeddingRows embedding;
  embedding.variable = model_.embedding_variables(0).name();
  embedding.dim = model_.embedding_variables(0).dim();
  embedding.state_dim = 1;
  for (const auto& [key, values] : rows) {
    REQUIRE(values.size() == embedding.dim);
    embedding.keys.push_back(key);
    embedding.values.insert(embedding.values.end(), values.begin(), values.end());
    embedding.states.push_back(0.5F);
    embedding.frequencies.push_back(1);
    embedding.last_updates.push_back(1);
  }
  embedding.tombstones = tombstones;
  PartContents part;
  part.embeddings.push_back(embedding);
  return part;
}

// Two parts, as two servers would write: the rows in one, the dense variable in the other.
VersionId TestLog::Base(const Rows& rows, float bias) {
  PartContents dense;
  if (model_.dense_variables_size() > 0) {
    dense.dense.push_back({.variable = "bias", .shape = {1}, .values = {bias}, .states = {}});
  }
  return Commit(proto::Manifest::BASE, last_, {MakePart(rows, {}), dense});
}

VersionId TestLog::Delta(const Rows& rows, float bias, const std::vector<Key>& tombstones) {
  PartContents dense;
  if (model_.dense_variables_size() > 0) {
    dense.dense.push_back({.variable = "bias", .shape = {1}, .values = {bias}, .states = {}});
  }
  return Commit(proto::Manifest::DELTA, last_, {MakePart(rows, tombstones), dense});
}

VersionId TestLog::DeltaOf(const PartContents& part) {
  return Commit(proto::Manifest::DELTA, last_, {part});
}

VersionId TestLog::Rollback(VersionId to) {
  return Commit(proto::Manifest::ROLLBACK, to, {});
}

VersionId TestLog::Commit(proto::Manifest::Kind kind,
                          VersionId parent,
                          const std::vector<PartContents>& parts) {
  last_ = last_.next();
  REQUIRE(log_.Prepare(last_).ok());
  proto::Manifest manifest;
  manifest.set_format(1);
  manifest.set_version(last_.value());
  manifest.set_parent(parent.value());
  manifest.set_kind(kind);
  manifest.set_epoch(1);
  manifest.set_created_unix_ms(1'700'000'000'000 + static_cast<int64_t>(last_.value()) * 1000);
  manifest.set_newest_arrival_ms(manifest.created_unix_ms() - 500);
  *manifest.mutable_model() = model_;
  manifest.set_config_xxh3(ModelHash(model_));
  manifest.set_partition_count(1024);
  manifest.mutable_metrics()->set_auc(0.75);
  manifest.mutable_gate()->set_verdict(verdict_);
  for (const PartContents& part : parts) {
    const std::string name = "part-" + std::to_string(manifest.parts_size()) + "-0.safetensors";
    const auto written = WritePart(LocalFileSystem(), log_.VersionDirectory(last_), name, part);
    INFO(written.status().ToString());
    REQUIRE(written.ok());
    *manifest.add_parts() = *written;
  }
  const Status committed = log_.Commit(manifest);
  INFO(committed.ToString());
  REQUIRE(committed.ok());
  return last_;
}

void TestLog::Damage(VersionId version) {
  const std::string path = log_.VersionDirectory(version) + "/part-0-0.safetensors";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  REQUIRE(file.good());
  // Where the keys are: behind the header, whose length the first 8 bytes tell.
  uint64_t header = 0;
  file.read(reinterpret_cast<char*>(&header), sizeof(header));
  const auto at = static_cast<std::streamoff>(sizeof(header) + header);
  char byte = 0;
  file.seekg(at);
  file.read(&byte, 1);
  byte = static_cast<char>(byte ^ 1);
  file.seekp(at);
  file.write(&byte, 1);
  REQUIRE(file.good());
}

void TestLog::Remove(VersionId version) {
  REQUIRE(LocalFileSystem().RemoveAll(log_.VersionDirectory(version)).ok());
}

}  // namespace freshet::serving::test
