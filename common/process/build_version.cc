#include "common/process/process.h"

namespace freshet {

const char* BuildVersion() {
  return
#include "build_version.inc"
      ;
}

}  // namespace freshet
