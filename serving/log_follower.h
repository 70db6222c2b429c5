#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/version_log/version_log.h"
#include "common/version_log/version_path.h"
#include "serving/metrics.h"
#include "serving/model_store.h"

namespace freshet::serving {

// Keeps a ModelStore at the newest version of the log that can be read whole.
//
// A version whose chain continues what is served is brought in by its deltas, one version after the
// other. To any other one that shares its base with what is served (after a rollback) it goes in
// one step, by the rows that may differ; the rest (the first, a new base) is loaded whole. A
// rollback to what is served already only changes the number. A version that cannot be read whole
// is refused: logged by name, counted, never tried again. What is served stays, or goes on to the
// newest version that does not need the damaged one; the next try comes when the log has something
// new. The follower never goes back to a smaller version number. A version that the coordinator's
// gate rejected, or of a line that still catches up with ours (calibration), is passed over, though
// a later one may bring its rows.
class LogFollower {
 public:
  // All borrowed; `on_served` is called on the follower's thread after each change.
  LogFollower(
      FileSystem& files,
      const Clock& clock,
      std::string log_directory,
      ModelStore& store,
      ServingMetrics& metrics,
      std::function<void()> on_served = [] {});
  ~LogFollower();

  // Looks at the log every so often, and whenever it is told, from a thread of its own. `also` is
  // called on that thread before each look.
  void Start(
      std::chrono::milliseconds poll_every, std::function<void()> also = [] {});
  // Ends that thread, and waits for it.
  void Stop();
  // There is something new. Any thread.
  void Notify();

  // One look at the log: what the thread does. Not between Start and Stop.
  void Poll();

  // Versions refused, with the reasons: the last kRefusedKept of them. Any thread.
  std::map<VersionId, std::string> refused() const;
  uint64_t refused_count() const;
  // Why nothing newer is served; empty if the newest version is. Any thread.
  std::string problem() const;

  const VersionLog& log() const { return log_; }

  static constexpr size_t kRefusedKept = 1000;

 private:
  // How to get from what is served to a version.
  struct Plan {
    proto::Manifest head;                // of the version itself
    std::vector<proto::Manifest> chain;  // to be applied, in this order
    bool reload = false;                 // onto nothing, instead of onto what is served
  };

  // A delta that was rolled up, with all that it adds to, into a base.
  struct Rolled {
    size_t after = 0;  // how many newer versions a plan has
    proto::Manifest manifest;
  };

  // The errors that a later try may not show again, with no change of the log.
  static bool IsPassing(const Status& status);

  Status Look();
  StatusOr<VersionId> NewestPassed(VersionId newest);
  Status Advance(VersionId newest);
  // Serves `version`, or something on the way to it.
  Status TryToServe(VersionId version);
  StatusOr<Plan> MakePlan(VersionId version);
  std::optional<Rolled> BaseOf(VersionId version, size_t after) const;
  StatusOr<proto::Manifest> Manifest(VersionId version);
  // Loads all of it, aside.
  Status Load(const Plan& plan);
  // Goes there by the rows that may differ. False: nobody can tell which, or they are many.
  StatusOr<bool> Patch(const Plan& plan);
  StatusOr<std::optional<TouchedKeys>> FindTouched(const Plan& plan);
  static VersionFacts FactsOfPlan(const Plan& plan);
  // Calls use(part) for all parts of the plan, in their order. The next one is read meanwhile.
  Status ForEachPartOf(const Plan& plan,
                       const Weights& weights,
                       const TouchedKeys* only,
                       const std::function<void(const PartContents&)>& use);
  Status ApplyDelta(const proto::Manifest& manifest);
  // DataLoss, or InvalidArgument if the part is not one of this model.
  StatusOr<PartContents> ReadFitting(const proto::Manifest& manifest,
                                     const proto::PartFile& part,
                                     const Weights& weights,
                                     const TouchedKeys* only);
  void Relabel(const proto::Manifest& head);
  void Served(const proto::Manifest& manifest, std::chrono::nanoseconds began);
  void Refuse(VersionId version, const Status& why);
  void SetProblem(const std::string& problem);
  void Run(std::chrono::milliseconds poll_every);

  VersionId served() const { return store_.current().facts().version; }

  FileSystem& files_;
  const Clock& clock_;
  const VersionLog log_;
  ModelStore& store_;
  ServingMetrics& metrics_;
  const std::function<void()> on_served_;
  std::function<void()> also_;

  // ---- of the thread that polls
  VersionId content_;                                 // what is served, rollbacks resolved
  std::string model_hash_;                            // of what is served
  VersionId attempted_;                               // the newest version when last tried
  std::optional<std::chrono::nanoseconds> retry_at_;  // a passing error is tried again then
  // Within one look: manifests read, and versions found damaged.
  std::map<VersionId, proto::Manifest> manifests_;
  std::map<VersionId, Status> damaged_;

  // ---- shared
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool notified_ = false;
  std::map<VersionId, std::string> refused_;
  uint64_t refused_count_ = 0;
  std::string problem_;

  std::thread thread_;
};

}  // namespace freshet::serving
