#include "ps/task_thread.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace freshet::ps {
namespace {

// Asked by a task at work: what it posts waits, or is dropped once Stop was called.
bool HasStopped(TaskThread& thread) {
  auto token = std::make_shared<int>();
  const std::weak_ptr<int> watch = token;
  thread.RunOrPost([held = std::move(token)] {});
  return watch.expired();
}

TEST_CASE("a task for an idle thread is done by its caller") {
  TaskThread thread;
  std::thread::id ran_on;
  thread.RunOrPost([&] { ran_on = std::this_thread::get_id(); });
  CHECK(ran_on == std::this_thread::get_id());
}

TEST_CASE("a task for a busy thread waits for its turn") {
  TaskThread thread;
  std::promise<void> go_on;
  std::latch left(3);
  std::vector<int> order;  // the thread's own until all have left
  thread.Post([&] {
    go_on.get_future().wait();
    order.push_back(1);
    left.count_down();
  });
  thread.Post([&] {
    order.push_back(2);
    left.count_down();
  });
  thread.RunOrPost([&] {
    order.push_back(3);
    left.count_down();
  });
  CHECK(order.empty());
  go_on.set_value();
  left.wait();
  CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("what is posted while a caller works in the thread's place comes after it") {
  TaskThread thread;
  std::promise<void> done;
  int step = 0;
  thread.RunOrPost([&] {
    thread.Post([&] {
      CHECK(step == 1);
      done.set_value();
    });
    step = 1;
  });
  done.get_future().wait();
}

// What it counts without a lock adds up only if nobody is at work beside another.
TEST_CASE("one task at a time, whoever does it, and each caller's in order") {
  constexpr int kCallers = 4;
  constexpr int kTasks = 20'000;
  int64_t unguarded = 0;
  std::atomic<int> between = 0;
  std::vector<int> last(kCallers, -1);
  int disorder = 0;
  {
    std::latch left(kCallers * kTasks);
    TaskThread thread([&] {
      ++unguarded;
      --unguarded;
      return ++between % 3 == 0;
    });
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < kCallers; ++caller) {
      callers.emplace_back([&, caller] {
        for (int i = 0; i < kTasks; ++i) {
          const auto task = [&, caller, i] {
            ++unguarded;
            disorder += last[caller] < i ? 0 : 1;
            last[caller] = i;
            left.count_down();
          };
          (caller + i) % 3 == 0 ? thread.Post(task) : thread.RunOrPost(task);
        }
      });
    }
    left.wait();
  }
  CHECK(unguarded == int64_t{kCallers} * kTasks);
  CHECK(disorder == 0);
}

TEST_CASE("a thread that stops lets the caller in its place end") {
  std::atomic<bool> ended = false;
  std::promise<void> began;
  TaskThread thread;
  std::jthread caller([&] {
    thread.RunOrPost([&] {
      began.set_value();
      while (!HasStopped(thread)) {
        std::this_thread::yield();
      }
      ended = true;
    });
  });
  began.get_future().wait();
  thread.Stop();
  CHECK(ended);
  thread.RunOrPost([] { FAIL("it has stopped"); });
}

}  // namespace
}  // namespace freshet::ps
