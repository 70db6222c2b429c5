#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/version_log/part_columns.h"
#include "common/version_log/part_file.h"
#include "common/version_log/safetensors.h"

namespace freshet {

// A tensor of a part to be, and where its bytes are.
struct PartColumn {
  TensorInfo info;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  // of the bytes, if they do not lie in the contents
};

// The columns of one part: what is stored under which name, and in which order.
class PartLayout {
 public:
  // The contents have passed CheckPart and outlive this object. InvalidArgument: a value is not one
  // of its variable's type.
  static StatusOr<PartLayout> Make(const PartContents& contents);

  // In the order of the file: what serving reads comes first. In each of the two halves what has
  // more bytes an element comes before what has fewer, and padding stands between the halves if
  // need be: so every tensor is aligned.
  std::vector<PartColumn> TakeColumns() &&;

  // The oldest that can say all of this.
  const char* format() const {
    return uses_format_3_   ? part_columns::kFormat3
           : uses_format_2_ ? part_columns::kFormat2
                            : part_columns::kFormat1;
  }

 private:
  using Columns = std::vector<PartColumn>;

  Status AddEmbedding(const EmbeddingRows& rows);
  Status AddValues(const EmbeddingRows& rows);
  void AddServingValues(const EmbeddingRows& rows);
  void AddCandidates(const EmbeddingRows& rows);
  void AddLives(const std::string& variable,
                const part_columns::LifeColumns& columns,
                const std::vector<FeatureLife>& lives);

  Columns serving_;
  Columns others_;
  bool uses_format_2_ = false;
  bool uses_format_3_ = false;
};

}  // namespace freshet
