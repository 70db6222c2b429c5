#include "common/mutant.h"

#ifdef FRESHET_MUTANTS

#include <cstdlib>
#include <cstring>

namespace freshet {

bool Mutant(const char* name) {
  static const char* const planted = std::getenv("FRESHET_MUTANT");
  return planted != nullptr && std::strcmp(planted, name) == 0;
}

}  // namespace freshet

#endif
