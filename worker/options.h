#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace freshet::worker {

// What a step did, for those who watch a worker learn.
struct StepReport {
  uint64_t step = 0;
  uint64_t samples = 0;
  double mean_log_loss = 0.0;  // of the samples before they were learned, weights left aside
};

struct WorkerOptions {
  uint32_t rank = 0;
  std::string listen = "127.0.0.1:0";  // address of the rpc server
  // Called for news that the coordinator should hear at once, from any thread; must not block.
  std::function<void()> on_news;
  // Called on the training thread after each step.
  std::function<void(const StepReport&)> on_step;
};

}  // namespace freshet::worker
