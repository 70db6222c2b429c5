#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/version_log/version_log.h"
#include "coordinator/base_intake.h"
#include "coordinator/context.h"

namespace freshet::coordinator {

// Looks, on a thread of its own, for bases that another job has published in its log
// (options.calibration), and reads their files to the end before it speaks of them.
class BaseWatcher {
 public:
  // `on_found` is called, on the watcher's thread, when there is a base to take. All outlive this.
  BaseWatcher(const Context& context, std::function<void()> on_found);
  ~BaseWatcher();

  // The newest base that is intact and not the one that `taken` is of; nothing if there is none. It
  // stays there until it is refused, or taken in. Any thread.
  std::optional<FoundBase> Newest(const proto::BaseIntake& taken) const;

  // It is not to be found again. Any thread.
  void Refuse(const FoundBase& base);

 private:
  void Run();
  void Look();
  StatusOr<std::optional<FoundBase>> NewestBase() const;
  bool IsNews(const FoundBase& base) const;

  const Context& context_;
  const VersionLog log_;
  const std::function<void()> on_found_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;           // with the mutex held, as all below
  std::optional<FoundBase> found_;  // intact
  std::vector<proto::BaseIntake> refused_;
  std::string problem_;  // of the last look: told once

  std::thread thread_;
};

}  // namespace freshet::coordinator
