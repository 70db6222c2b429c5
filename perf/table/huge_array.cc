#include "perf/table/huge_array.h"

#include <sys/mman.h>

#include <algorithm>

#include "common/check.h"

namespace freshet::perf {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

size_t RoundUp(size_t bytes) {
  return (bytes + kHugePage - 1) / kHugePage * kHugePage;
}

}  // namespace

// mmap aligns to small pages: one huge page more is asked for, and what sticks out is given back.
HugePages::HugePages(size_t bytes) {
  const size_t size = RoundUp(std::max<size_t>(bytes, 1));
  void* const mapped = mmap(nullptr,
                            size + kHugePage,
                            PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                            -1,
                            0);
  FRESHET_CHECK(mapped != MAP_FAILED);
  char* const begin = static_cast<char*>(mapped);
  const size_t before = RoundUp(reinterpret_cast<size_t>(begin)) - reinterpret_cast<size_t>(begin);
  if (before > 0) {
    munmap(begin, before);
  }
  munmap(begin + before + size, kHugePage - before);
  data_ = std::unique_ptr<void, Unmap>(begin + before, Unmap{.bytes = size});
  madvise(data_.get(), size, MADV_HUGEPAGE);
}

void HugePages::Unmap::operator()(void* data) const {
  munmap(data, bytes);
}

}  // namespace freshet::perf
