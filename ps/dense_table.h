#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/version_log/part_file.h"
#include "proto/model.pb.h"
#include "ps/optimizer/optimizer.h"

namespace freshet::ps {

// One dense variable: a tensor and its optimizer state, updated and versioned as a whole.
// Thread-safety: owner thread only.
class DenseTable {
 public:
  // The variable has passed CheckModel. Holds the initial value, and is dirty: the first version
  // has it, so that serving needs no initializer.
  explicit DenseTable(const proto::DenseVariable& variable);

  const std::string& name() const { return variable_.name(); }

  uint64_t bytes() const { return values_.capacity() * sizeof(float); }

  // values, gradient [elements].
  void Pull(std::span<float> values) const;
  // `step`: of the stream (PushRequest.stream_step).
  void Push(std::span<const float> gradient, uint64_t step);

  // As EmbeddingTable's. TakeCut: nothing if the cut does not hold this variable.
  void BeginCut(bool full);
  std::optional<DenseTensor> TakeCut();
  void EndCut(bool committed);

  // Sets the values and states of a version; they are clean. DataLoss if their sizes do not fit.
  Status Load(const DenseTensor& tensor);
  // Values become `weight` of the tensor's and the rest of their own; state stays.
  Status Blend(const DenseTensor& tensor, float weight);

 private:
  DenseTensor Copy() const;
  Status CheckShape(const DenseTensor& tensor) const;

  const proto::DenseVariable variable_;
  const uint32_t elements_;
  const std::unique_ptr<Optimizer> optimizer_;
  std::vector<float> values_;  // [elements], then the state
  bool dirty_ = true;

  // Of the cut under way.
  bool in_cut_ = false;  // and not taken yet
  bool dirty_before_cut_ = false;
  std::optional<DenseTensor> cut_;  // copied already
};

}  // namespace freshet::ps
