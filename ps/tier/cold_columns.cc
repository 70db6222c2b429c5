#include "ps/tier/cold_columns.h"

#include <algorithm>
#include <utility>

namespace freshet::ps {

ColdColumns::ColdColumns(std::shared_ptr<const RowFormat> format,
                         const StreamClock& clock,
                         std::unique_ptr<ColdCut> cut)
    : format_(std::move(format)),
      clock_(clock),
      cut_(std::move(cut)),
      record_(format_->record_bytes()) {}

StatusOr<EmbeddingRows> ColdColumns::Next(size_t bytes) {
  const size_t max_rows = std::max<size_t>(1, bytes / format_->column_bytes_per_row());
  EmbeddingRows columns = format_->MakeColumns(0);
  columns.clock = clock_;
  while (!done_ && columns.keys.size() < max_rows) {
    FRESHET_ASSIGN_OR_RETURN(
        const bool more,
        cut_->Next(max_rows - columns.keys.size(), [&](Key key, std::span<const std::byte> record) {
          std::copy(record.begin(), record.end(), record_.begin());
          format_->Append(key, format_->PartsOf(record_.data()), columns);
        }));
    done_ = !more;
  }
  return columns;
}

}  // namespace freshet::ps
