#include "ps/page_filler.h"

#include <sys/mman.h>

#include <algorithm>

namespace freshet::ps {
namespace {

// Filled at once; whoever takes the memory away waits for so much at most.
constexpr size_t kStep = size_t{2} << 20U;

// Whoever maps memory for a table does it for several arrays in a row.
constexpr std::chrono::milliseconds kRest{1};

}  // namespace

PageFiller& PageFiller::OfProcess() {
  static PageFiller filler;
  return filler;
}

PageFiller::~PageFiller() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

bool PageFiller::Overlap(const Range& range, const std::byte* begin, size_t bytes) {
  return range.begin < begin + bytes && begin < range.begin + range.bytes;
}

void PageFiller::Fill(std::byte* begin, size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { Run(); });
  }
  for (size_t done = 0; done < bytes; done += kStep) {
    ranges_.push_back({.begin = begin + done, .bytes = std::min(kStep, bytes - done)});
  }
  changed_.notify_all();
}

void PageFiller::Withdraw(const std::byte* begin, size_t bytes) {
  std::unique_lock lock(mutex_);
  std::erase_if(ranges_, [&](const Range& range) { return Overlap(range, begin, bytes); });
  changed_.wait(lock, [&] { return !Overlap(under_way_, begin, bytes); });
}

PageFiller::Pause::Pause() {
  PageFiller& filler = OfProcess();
  std::unique_lock lock(filler.mutex_);
  ++filler.pauses_;
  filler.changed_.wait(lock, [&] { return filler.under_way_.bytes == 0; });
}

PageFiller::Pause::~Pause() {
  PageFiller& filler = OfProcess();
  const std::lock_guard lock(filler.mutex_);
  --filler.pauses_;
  filler.resumes_ = std::chrono::steady_clock::now() + kRest;
  filler.changed_.notify_all();
}

void PageFiller::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || (pauses_ == 0 && !ranges_.empty()); });
    if (stopping_) {
      return;
    }
    if (std::chrono::steady_clock::now() < resumes_) {
      changed_.wait_until(lock, resumes_);
      continue;
    }
    under_way_ = ranges_.front();
    ranges_.pop_front();
    lock.unlock();
#ifdef MADV_POPULATE_WRITE
    // Before Linux 5.14 it fails, and so does all of this, without harm.
    madvise(under_way_.begin, under_way_.bytes, MADV_POPULATE_WRITE);
#endif
    lock.lock();
    under_way_ = {};
    changed_.notify_all();
  }
}

}  // namespace freshet::ps
