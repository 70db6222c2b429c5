#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "common/key.h"
#include "common/status.h"
#include "common/version_log/part_file.h"
#include "proto/model.pb.h"
#include "serving/row_table.h"

namespace freshet::serving {

// The parameters of a model at one version, as far as scoring needs them: the values of each row
// and the dense tensors. Copyable. Thread-safety: any thread may read while nobody writes.
class Weights {
 public:
  Weights() = default;  // of no model: nothing may be applied or asked
  explicit Weights(const proto::ModelSpec& model);

  size_t variable_count() const { return tables_.size(); }

  const RowTable& table(size_t variable) const { return tables_[variable]; }

  // A dense variable as declared in the model; zeros until a version sets it.
  std::span<const float> dense(size_t variable) const { return dense_[variable]; }

  uint64_t rows() const;
  uint64_t bytes() const;

  // InvalidArgument if a variable is not one of the model's, or has another shape.
  Status Check(const PartContents& part) const;
  // Deletes the tombstones, then sets the rows and the tensors; a row that is not for serving is
  // deleted instead. The part has passed Check.
  void Apply(const PartContents& part);

 private:
  struct Shape {
    std::string name;
    size_t size = 0;  // floats of a row, or of the whole tensor
  };

  std::vector<Shape> embedding_shapes_;
  std::vector<Shape> dense_shapes_;
  std::vector<RowTable> tables_;
  std::vector<std::vector<float>> dense_;
};

}  // namespace freshet::serving
