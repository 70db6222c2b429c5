#include <malloc.h>

#include "common/process/process.h"

namespace freshet {

void KeepFreedMemory() {
#if defined(__GLIBC__)
  constexpr int kMappedFrom = 32 << 20;  // glibc's largest
  constexpr int kKept = 64 << 20;
  ::mallopt(M_MMAP_THRESHOLD, kMappedFrom);
  ::mallopt(M_TRIM_THRESHOLD, kKept);
#endif
}

}  // namespace freshet
