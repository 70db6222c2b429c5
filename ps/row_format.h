#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "common/feature_life.h"
#include "common/key.h"
#include "common/version_log/part_file.h"
#include "proto/model.pb.h"
#include "ps/life/feature_rules.h"
#include "ps/row_store.h"
#include "ps/value_codec.h"

namespace freshet::ps {

// What the rows of one embedding variable are made of, and the rules that judge them: what those
// need who read a row outside its table. Immutable after construction.
//
// A record is a row on its own, as it lies on disk, of one size for all rows of the variable:
//
//   RowMeta | FeatureLife, if rows have one | state [state_dim] float | value | padding to 4 bytes
class RowFormat {
 public:
  // The variable has passed CheckModel.
  RowFormat(const proto::EmbeddingVariable& variable, uint32_t state_dim);

  const std::string& name() const { return name_; }

  uint32_t dim() const { return dim_; }

  uint32_t state_dim() const { return state_dim_; }

  proto::ValueType value_type() const { return value_type_; }

  const ValueCodec& codec() const { return codec_; }

  const FeatureRules& rules() const { return rules_; }

  RowShape shape() const {
    return {.value_bytes = codec_.bytes(), .state_dim = state_dim_, .has_life = rules_.NeedsLife()};
  }

  size_t record_bytes() const { return record_bytes_; }

  // What a row takes in the columns of a part.
  size_t column_bytes_per_row() const {
    return sizeof(Key) + sizeof(RowMeta) + (rules_.NeedsLife() ? sizeof(FeatureLife) : 0) +
           (dim_ + state_dim_) * sizeof(float);
  }

  // record [record_bytes()], aligned to 4 bytes.
  RowParts PartsOf(const std::byte* record) const;
  void WriteRecord(const RowParts& row, std::byte* record) const;

  // What the rules see of a row. `value` [dim] is where its value goes if it is stored in 16 bits.
  RowView ViewOf(Key key, const RowParts& row, std::span<float> value) const;

  // Columns for rows of the variable, with room for so many.
  EmbeddingRows MakeColumns(size_t rows) const;
  // Adds a row to them. `columns.clock` says as of when it is judged for serving.
  void Append(Key key, const RowParts& row, EmbeddingRows& columns) const;

 private:
  const std::string name_;
  const uint32_t dim_;
  const uint32_t state_dim_;
  const proto::ValueType value_type_;
  const ValueCodec codec_;
  const FeatureRules rules_;
  const size_t record_bytes_;
};

}  // namespace freshet::ps
