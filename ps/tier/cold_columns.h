#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "common/version_log/part_file.h"
#include "ps/row_format.h"
#include "ps/tier/cold_cut.h"

namespace freshet::ps {

// The cold rows that belong to a cut, column by column, as part files hold them.
// Thread-safety: as ColdCut: one thread at a time, which need not be the owner's.
class ColdColumns {
 public:
  // `clock`: of the table at the flip.
  ColdColumns(std::shared_ptr<const RowFormat> format,
              const StreamClock& clock,
              std::unique_ptr<ColdCut> cut);

  uint64_t rows_at_most() const { return cut_->rows_at_most(); }

  // The next rows: as many as fit into so many bytes, at least one; without rows when none is left.
  StatusOr<EmbeddingRows> Next(size_t bytes);

 private:
  const std::shared_ptr<const RowFormat> format_;
  const StreamClock clock_;
  const std::unique_ptr<ColdCut> cut_;
  std::vector<std::byte> record_;  // a copy that is aligned
  bool done_ = false;
};

}  // namespace freshet::ps
