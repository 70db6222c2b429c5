#include "serving/left_right.h"

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <thread>
#include <vector>

namespace freshet::serving {

TEST_CASE("a reader keeps what it got while the writer goes on", "[serving]") {
  LeftRight<int> sides;
  sides.idle() = 1;
  sides.Swap();
  sides.idle() = 1;
  auto guard = std::make_unique<LeftRight<int>::ReadGuard>(sides.Acquire());
  CHECK(**guard == 1);
  sides.idle() = 2;
  std::promise<void> swapped;
  std::thread writer([&] {
    sides.Swap();  // returns when the reader is gone
    swapped.set_value();
    sides.idle() = 2;
  });
  // The new value is there for others before the writer has its old side back.
  while (*sides.Acquire() != 2) {
    std::this_thread::yield();
  }
  CHECK(**guard == 1);
  CHECK(swapped.get_future().wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  guard.reset();
  writer.join();
  CHECK(*sides.Acquire() == 2);
}

TEST_CASE("readers never see a value that is being written", "[serving]") {
  LeftRight<std::array<int, 64>> sides;
  std::atomic<bool> stop = false;
  std::atomic<int> torn = 0;
  std::atomic<int> backwards = 0;
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      int last = 0;
      while (!stop.load()) {
        const auto guard = sides.Acquire();
        for (const int value : *guard) {
          torn += value != (*guard)[0] ? 1 : 0;
        }
        backwards += (*guard)[0] < last ? 1 : 0;
        last = (*guard)[0];
      }
    });
  }
  for (int version = 1; version <= 2000; ++version) {
    sides.idle().fill(version);
    sides.Swap();
    sides.idle().fill(version);
  }
  stop = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
  CHECK(torn == 0);
  CHECK(backwards == 0);
  CHECK((*sides.Acquire())[0] == 2000);
}

}  // namespace freshet::serving
