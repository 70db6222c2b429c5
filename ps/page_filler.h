#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>

namespace freshet::ps {

// Has the system put zeroed pages under memory that will be written to soon, on a thread of its
// own: zeroing a huge page takes longer than a batch, above all in a virtual machine whose host has
// to find it first. Only a hint: who writes to a page that is not there yet gets it by a page fault
// as ever. Thread-safety: any thread.
class PageFiller {
 public:
  // The one of this process; its thread starts with the first range.
  static PageFiller& OfProcess();

  ~PageFiller();

  // Mapped memory; it stays mapped until Withdraw.
  void Fill(std::byte* begin, size_t bytes);

  // Nothing of this range is filled any more when this returns.
  void Withdraw(const std::byte* begin, size_t bytes);

  // As long as one of these lives, and a little longer, no page is filled: the system maps memory
  // for one thread or fills it for another, and whoever maps would wait for each page anew.
  class Pause {
   public:
    Pause();
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;
  };

 private:
  struct Range {
    std::byte* begin = nullptr;
    size_t bytes = 0;
  };

  PageFiller() = default;

  static bool Overlap(const Range& range, const std::byte* begin, size_t bytes);
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Range> ranges_;                       // guarded by mutex_
  Range under_way_;                                // guarded by mutex_
  size_t pauses_ = 0;                              // guarded by mutex_
  std::chrono::steady_clock::time_point resumes_;  // guarded by mutex_
  bool stopping_ = false;                          // guarded by mutex_
  std::thread thread_;                             // guarded by mutex_
};

}  // namespace freshet::ps
