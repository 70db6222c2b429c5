#pragma once
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "common/job/job_config.h"
#include "common/metrics/metrics.h"
#include "common/model/model.h"
#include "common/rpc/typed.h"

namespace freshet::worker::test {

inline constexpr std::chrono::milliseconds kLong{60000};

// A new empty directory of samples, removed with all it holds.
class StreamDirectory {
 public:
  StreamDirectory() {
    static std::atomic<uint64_t> count{0};
    path_ = std::filesystem::temp_directory_path().string() +
            fmt::format("/freshet-worker-{:016x}-{}", SystemRandom().Next(), count++);
    std::filesystem::create_directories(path_);
  }

  ~StreamDirectory() { std::filesystem::remove_all(path_); }

  StreamDirectory(const StreamDirectory&) = delete;
  StreamDirectory& operator=(const StreamDirectory&) = delete;

  void Append(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name, std::ios::app | std::ios::binary) << text;
  }

  // Lines "label,user,item" that depend on (seed, line).
  void AppendSamples(const std::string& name, int lines, uint64_t seed) const {
    Append(name, Samples(lines, seed));
  }

  static std::string Samples(int lines, uint64_t seed) {
    std::string text;
    for (int i = 0; i < lines; ++i) {
      const uint64_t draw = SplitMix64(SplitMix64(seed) + static_cast<uint64_t>(i));
      text += fmt::format("{},u{},i{}\n", draw % 3 == 0 ? 1 : 0, draw % 17, (draw >> 20U) % 31);
    }
    return text;
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A job on a StreamDirectory.
inline ModelSettings SmallSettings(const std::string& kind) {
  ModelSettings settings;
  settings.kind = kind;
  settings.factors = 4;
  settings.seed = 7;
  settings.optimizer.mutable_adagrad()->set_learning_rate(0.1F);
  settings.optimizer.mutable_adagrad()->set_initial_accumulator(0.1F);
  settings.optimizer.mutable_adagrad()->set_epsilon(1e-8F);
  settings.dense_optimizer = settings.optimizer;
  return settings;
}

inline JobConfig MakeJob(const std::string& path,
                         const ModelSettings& settings,
                         Consistency consistency,
                         bool follow = false) {
  JobConfig job;
  job.stream.path = path;
  job.stream.follow = follow;
  job.format.columns = {"label", "user", "item"};
  job.format.label_column = "label";
  std::vector<proto::Slot> slots(2);
  slots[0].set_name("user");
  slots[0].set_column("user");
  slots[1].set_name("item");
  slots[1].set_column("item");
  slots[1].set_side(proto::Slot::ITEM);
  StatusOr<proto::ModelSpec> model = DeclareModel(settings, slots);
  REQUIRE(model.ok());
  job.model = *std::move(model);
  job.training.batch_size = 16;
  job.training.consistency = consistency;
  job.training.rpc_timeout_ms = 200;
  return job;
}

inline JobConfig MakeJob(const std::string& path,
                         const std::string& kind,
                         Consistency consistency,
                         bool follow = false) {
  return MakeJob(path, SmallSettings(kind), consistency, follow);
}

// The machine's, but for the transport.
struct TestEnv {
  std::unique_ptr<rpc::Transport> transport = rpc::MakeInProcessTransport();
  Env env{SystemClock(), SystemRandom(), LocalFileSystem(), *transport};
  Metrics registry;
};

// A state that other threads change, and that a test waits for.
template <typename T>
class Watched {
 public:
  template <typename Change>
  void Update(const Change& change) {
    {
      const std::lock_guard lock(mutex_);
      change(value_);
    }
    changed_.notify_all();
  }

  // Waits until `ready(value)`, and returns a copy of the value.
  template <typename Ready>
  T Await(const Ready& ready) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready(value_); });
    return value_;
  }

  T Get() {
    return Await([](const T&) { return true; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  T value_{};
};

}  // namespace freshet::worker::test
