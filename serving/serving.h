#pragma once
#include <functional>
#include <memory>

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/http/http_server.h"
#include "common/metrics/metrics.h"
#include "common/status.h"
#include "proto/control.pb.h"
#include "serving/api.h"
#include "serving/catalogue_watcher.h"
#include "serving/log_follower.h"
#include "serving/model_store.h"
#include "serving/options.h"

namespace freshet::serving {

// A serving node without its servers: the store, who fills it, and who answers from it.
// Thread-safety: any thread, but for Start and Stop.
class Serving {
 public:
  // Reads the catalogue; errors are those of reading it. `files` and `clock` outlive this;
  // `on_served` is called, on a thread of its own, whenever another version is served.
  static StatusOr<std::unique_ptr<Serving>> Make(FileSystem& files,
                                                 const Clock& clock,
                                                 const ServingOptions& options,
                                                 std::function<void()> on_served);

  // Begins to follow the log.
  void Start();
  // Follows it no longer; on_served is not called any more. What is served stays.
  void Stop();

  http::Response Handle(const http::Request& request) { return api_.Handle(request); }

  // The log has a new version.
  void Notify() { follower_.Notify(); }

  proto::MemberReport Report() const;

 private:
  Serving(FileSystem& files,
          const Clock& clock,
          const ServingOptions& options,
          std::function<void()> on_served);

  const ServingOptions options_;
  Metrics registry_;
  ServingMetrics metrics_;
  ModelStore store_;
  CatalogueWatcher catalogue_;
  LogFollower follower_;
  Api api_;
};

}  // namespace freshet::serving
