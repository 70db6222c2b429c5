#pragma once
#include <rapidjson/document.h>

#include <string>

#include "common/metrics/metrics.h"
#include "serving/api.h"
#include "serving/catalogue_watcher.h"
#include "tests/serving/test_log.h"

namespace freshet::serving::test {

// A clock that stands still until it is moved.
class StoppedClock final : public Clock {
 public:
  std::chrono::nanoseconds Monotonic() const override { return monotonic_; }

  int64_t UnixMillis() const override { return 1'800'000'000'000; }

  void SleepFor(std::chrono::nanoseconds duration) override { monotonic_ += duration; }

 private:
  std::chrono::nanoseconds monotonic_{0};
};

// A serving node without threads: it looks at the log when it is told to.
struct Node {
  // `files`: what the node sees the log through.
  explicit Node(const TestLog& log, FileSystem& files = LocalFileSystem());

  // Writes CatalogueText() beside the log, and reads it.
  void LoadCatalogue(const TestLog& log);

  uint64_t version() const { return store.Acquire()->facts().version.value(); }

  http::Response Get(const std::string& target);
  http::Response Post(const std::string& path, const std::string& body);
  // Of an answer that must have this status.
  rapidjson::Document GetJson(const std::string& target, int status = 200);
  rapidjson::Document PostJson(const std::string& path, const std::string& body, int status = 200);
  // The text of an error that must have this status.
  std::string PostError(const std::string& path, const std::string& body, int status = 400);

  StoppedClock clock;
  Metrics registry;
  ServingMetrics metrics;
  ModelStore store;
  CatalogueWatcher catalogue;
  LogFollower follower;
  Api api;
};

CatalogueSettings SmallCatalogue(const TestLog& log);

}  // namespace freshet::serving::test
