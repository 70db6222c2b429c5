#include "coordinator/version_numbers.h"

#include <algorithm>

namespace freshet::coordinator {

StatusOr<VersionId> VersionNumbers::Next() {
  if (next_.value() == 0) {
    FRESHET_ASSIGN_OR_RETURN(const VersionId stored, store_.LastVersion());
    FRESHET_ASSIGN_OR_RETURN(const VersionId in_log, log_.LargestUsed());
    const VersionId next = std::max(stored, in_log).next();
    FRESHET_RETURN_IF_ERROR(store_.StoreVersion(next));
    next_ = next;
  }
  return next_;
}

}  // namespace freshet::coordinator
