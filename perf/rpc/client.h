#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/key.h"

namespace freshet::perf {

inline constexpr uint32_t kDim = 16;

using Keys = std::vector<Key>;

// What a run of requests took, from the first one sent to the last answer.
struct RunTime {
  double seconds = 0.0;
  std::vector<double> latencies = {};  // of each request, seconds
};

// A contestant as its client sees it: rows of kDim floats by key. One thread.
class Client {
 public:
  virtual ~Client() = default;

  // Reads the rows of each batch, `in_flight` requests at a time.
  virtual RunTime Pull(const std::vector<Keys>& batches, size_t in_flight) = 0;
  // Changes the rows of each batch; a key that has none gets one.
  virtual RunTime Push(const std::vector<Keys>& batches, size_t in_flight) = 0;
};

// Fail with a message, and end the process.
std::unique_ptr<Client> MakePsClient(const std::string& address);
std::unique_ptr<Client> MakeBareClient(uint16_t port);
std::unique_ptr<Client> MakeRedisClient(uint16_t port);

inline double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace freshet::perf
