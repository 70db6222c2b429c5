#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

namespace freshet::serving {

// Two copies of a T: readers use one while the writer changes the other, then they change places.
// Readers never wait, not even while the writer works; the writer waits for readers. This is the
// left-right technique of Ramalhete and Correia ("Left-Right: A Concurrency Control Technique with
// Wait-Free Population Oblivious Reads", 2015).
//
// A reader announces itself at one of two indicators, picked by `indicator_`, before it asks which
// side is active, and leaves there when done. The writer, having turned `active_`, must know that
// no reader is left that may have seen the old side:
//
//   wait until the indicator that is not in use is empty   (stragglers from the turn before)
//   let new readers use it
//   wait until the other one is empty                      (those who may have seen the old side)
//
// Two indicators, so that the writer waits only for readers that came before it, and cannot be
// starved by those that come after.
template <typename T>
class LeftRight {
 public:
  // What a reader holds while it looks at the active side. Any thread; returned by the same thread
  // or another. Holding one does not keep others from reading; it delays the writer.
  class ReadGuard {
   public:
    ReadGuard(const T* value, std::atomic<uint32_t>* readers) : value_(value), readers_(readers) {}

    ReadGuard(ReadGuard&& other) noexcept
        : value_(other.value_), readers_(std::exchange(other.readers_, nullptr)) {}

    ReadGuard(const ReadGuard&) = delete;
    ReadGuard& operator=(const ReadGuard&) = delete;
    ReadGuard& operator=(ReadGuard&&) = delete;

    ~ReadGuard() {
      if (readers_ != nullptr && readers_->fetch_sub(1) == 1) {
        readers_->notify_all();
      }
    }

    const T& operator*() const { return *value_; }

    const T* operator->() const { return value_; }

   private:
    const T* value_;
    std::atomic<uint32_t>* readers_;
  };

  LeftRight() = default;
  LeftRight(const LeftRight&) = delete;
  LeftRight& operator=(const LeftRight&) = delete;

  // Any thread. Never waits.
  ReadGuard Acquire() const {
    Indicator& indicator = indicators_[indicator_.load()];
    std::atomic<uint32_t>& readers = indicator[Stripe()].count;
    readers.fetch_add(1);
    return ReadGuard(&sides_[active_.load()], &readers);
  }

  // ---- the writer: one thread at a time

  // The side that no reader can see. Valid until Swap.
  T& idle() { return sides_[1 - active_.load()]; }

  // The side that readers see; for reading.
  const T& active() const { return sides_[active_.load()]; }

  // Makes the idle side the one that readers get from now on, and returns when no reader is left on
  // the other, which is the idle one then.
  void Swap() {
    active_.store(1 - active_.load());
    const uint32_t in_use = indicator_.load();
    AwaitEmpty(indicators_[1 - in_use]);
    indicator_.store(1 - in_use);
    AwaitEmpty(indicators_[in_use]);
  }

 private:
  // Readers are counted in several places, so that cores do not fight for one cache line.
  static constexpr uint32_t kStripes = 16;

  struct alignas(64) Counter {
    std::atomic<uint32_t> count = 0;
  };

  using Indicator = std::array<Counter, kStripes>;

  static uint32_t Stripe() {
    static std::atomic<uint32_t> next = 0;
    thread_local const uint32_t stripe = next.fetch_add(1) % kStripes;
    return stripe;
  }

  static void AwaitEmpty(Indicator& indicator) {
    for (Counter& counter : indicator) {
      for (uint32_t readers = counter.count.load(); readers != 0; readers = counter.count.load()) {
        counter.count.wait(readers);
      }
    }
  }

  std::array<T, 2> sides_{};
  mutable std::array<Indicator, 2> indicators_;
  // Sequentially consistent throughout: a reader's count and its look at active_, and the writer's
  // turn and its look at the counts, must not pass each other.
  std::atomic<uint32_t> active_ = 0;
  std::atomic<uint32_t> indicator_ = 0;
};

}  // namespace freshet::serving
