#pragma once
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/version_log/part_file.h"
#include "common/version_log/version_log.h"
#include "tests/serving/small_model.h"

namespace freshet::serving::test {

// A version log in a new directory, which goes with this object, and who writes it. Versions are
// numbered from 1, each the child of the one before.
class TestLog {
 public:
  explicit TestLog(proto::ModelSpec model = SmallModel());
  ~TestLog();
  TestLog(const TestLog&) = delete;
  TestLog& operator=(const TestLog&) = delete;

  const proto::ModelSpec& model() const { return model_; }

  const std::string& directory() const { return log_.directory(); }

  // Beside the log, for other files.
  std::string Path(const std::string& name) const { return root_ + "/" + name; }

  void WriteFile(const std::string& name, const std::string& content) const;

  VersionId Base(const Rows& rows, float bias);
  VersionId Delta(const Rows& rows, float bias, const std::vector<Key>& tombstones = {});
  // A delta of one part, as it is.
  VersionId DeltaOf(const PartContents& part);
  VersionId Rollback(VersionId to);

  // What the coordinator's gate makes of the versions that follow.
  void SetVerdict(proto::GateState::Verdict verdict) { verdict_ = verdict; }

  // The model of the versions that follow.
  void SetModel(const proto::ModelSpec& model) { model_ = model; }

  // Flips a bit in the data of a part of the version, and back when called again.
  void Damage(VersionId version);

  void Repair(VersionId version) { Damage(version); }

  void Remove(VersionId version);

  // Rows of the model's embedding variable.
  PartContents MakePart(const Rows& rows, const std::vector<Key>& tombstones) const;

 private:
  VersionId Commit(proto::Manifest::Kind kind,
                   VersionId parent,
                   const std::vector<PartContents>& parts);

  std::string root_;
  VersionLog log_;
  proto::ModelSpec model_;
  proto::GateState::Verdict verdict_ = proto::GateState::NONE;
  VersionId last_;
};

}  // namespace freshet::serving::test
