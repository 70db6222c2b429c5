#include "ps/mapped_array.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

#include "common/check.h"
#include "ps/page_filler.h"

namespace freshet::ps {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20U;
// Below this a huge page would cost a small table more memory than it saves time.
constexpr size_t kSmall = kHugePage;

size_t RoundUp(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// Address space alone: a page takes memory when it is touched. Aligned to a huge page.
std::byte* Reserve(size_t bytes) {
  const size_t with_slack = bytes + kHugePage;
  void* const mapped = mmap(nullptr,
                            with_slack,
                            PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                            -1,
                            0);
  FRESHET_CHECK(mapped != MAP_FAILED);
  auto* const begin = static_cast<std::byte*>(mapped);
  const size_t before =
      RoundUp(reinterpret_cast<uintptr_t>(begin), kHugePage) - reinterpret_cast<uintptr_t>(begin);
  if (before > 0) {
    FRESHET_CHECK(munmap(begin, before) == 0);
  }
  if (const size_t after = kHugePage - before; after > 0) {
    FRESHET_CHECK(munmap(begin + before + bytes, after) == 0);
  }
  return begin + before;
}

}  // namespace

MappedMemory& MappedMemory::operator=(MappedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(reserved_, other.reserved_);
  std::swap(filled_ahead_, other.filled_ahead_);
  return *this;
}

MappedMemory::~MappedMemory() {
  if (reserved_ > 0) {
    Withdraw();
    munmap(data_, reserved_);
  }
}

void MappedMemory::Withdraw() {
  if (std::exchange(filled_ahead_, false)) {
    PageFiller::OfProcess().Withdraw(data_, reserved_);
  }
}

void MappedMemory::FillAhead(size_t begin, size_t end) {
  // Whole pages, each in one of the ranges that follow each other.
  begin = RoundUp(begin, kHugePage);
  end = std::min(RoundUp(end, kHugePage), size_ / kHugePage * kHugePage);
  if (begin < end) {
    filled_ahead_ = true;
    PageFiller::OfProcess().Fill(data_ + begin, end - begin);
  }
}

void MappedMemory::Resize(size_t bytes) {
  const PageFiller::Pause pause;
  Withdraw();
  const size_t rounded = RoundUp(bytes, kPage);
  if (rounded > reserved_) {
    // Twice as much as is needed, so that the pages move seldom.
    const size_t reserve = RoundUp(2 * rounded, kHugePage);
    std::byte* const larger = Reserve(reserve);
    if (size_ > 0) {
      FRESHET_CHECK(mremap(data_, size_, size_, MREMAP_MAYMOVE | MREMAP_FIXED, larger) == larger);
      if (reserved_ > size_) {
        FRESHET_CHECK(munmap(data_ + size_, reserved_ - size_) == 0);
      }
    }
    data_ = larger;
    reserved_ = reserve;
  }
  if (rounded < size_) {
    FRESHET_CHECK(madvise(data_ + rounded, size_ - rounded, MADV_DONTNEED) == 0);
  } else if (rounded > kSmall && rounded > size_) {
    // It may fail where the kernel has no huge pages: then there are none.
    const size_t begin = std::max(size_ / kHugePage * kHugePage, kSmall);
    madvise(data_ + begin, reserved_ - begin, MADV_HUGEPAGE);
  }
  size_ = rounded;
}

}  // namespace freshet::ps
