#include "perf/table/verify.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "perf/table/keys.h"

namespace freshet::perf {
namespace {

constexpr float kTolerance = 1e-6F;
// Enough for every index to have grown several times.
constexpr uint32_t kRows = 50'000;
constexpr size_t kUpdates = 16 * kBatch;

class Reference {
 public:
  explicit Reference(uint32_t dim)
      : dim_(dim),
        values_(size_t{kRows} * dim, kInitialValue),
        accumulators_(size_t{kRows} * dim, kInitialAccumulator) {}

  std::span<const float> value(uint32_t row) const {
    return std::span(values_).subspan(size_t{row} * dim_, dim_);
  }

  void Push(const Batch& batch, std::span<const float> gradients) {
    for (size_t i = 0; i < batch.rows.size() * dim_; ++i) {
      const size_t at = size_t{batch.rows[i / dim_]} * dim_ + i % dim_;
      accumulators_[at] += gradients[i] * gradients[i];
      values_[at] -= kLearningRate * gradients[i] / (std::sqrt(accumulators_[at]) + kEpsilon);
    }
  }

 private:
  const size_t dim_;
  std::vector<float> values_;
  std::vector<float> accumulators_;
};

// One contestant and the reference, called alike.
class Comparison {
 public:
  Comparison(const ContestantKind& kind, uint32_t dim)
      : name_(kind.name),
        dim_(dim),
        table_(kind.make({.dim = dim, .rows = kRows})),
        reference_(dim),
        buffer_(kBatch * dim) {}

  void Push(const KeyStream& stream) {
    ForEachBatch(stream, [&](const Batch& batch) {
      for (float& gradient : buffer_) {
        gradient = static_cast<float>(2.0 * random_.Uniform() - 1.0);
      }
      const std::span gradients = std::span(buffer_).first(batch.keys.size() * dim_);
      table_->Push(batch, gradients);
      reference_.Push(batch, gradients);
    });
  }

  absl::Status Compare(const KeyStream& stream) {
    absl::Status status;
    ForEachBatch(stream, [&](const Batch& batch) {
      table_->Pull(batch, std::span(buffer_).first(batch.keys.size() * dim_));
      for (size_t i = 0; i < batch.keys.size() * dim_ && status.ok(); ++i) {
        const float expected = reference_.value(batch.rows[i / dim_])[i % dim_];
        if (!(std::abs(buffer_[i] - expected) <= kTolerance)) {
          status = absl::InternalError(absl::StrCat(name_,
                                                    ": column ",
                                                    i % dim_,
                                                    " of key ",
                                                    batch.keys[i / dim_],
                                                    " is ",
                                                    buffer_[i],
                                                    ", not ",
                                                    expected));
        }
      }
    });
    return status;
  }

 private:
  template <typename Use>
  static void ForEachBatch(const KeyStream& stream, Use use) {
    for (size_t begin = 0; begin < stream.size(); begin += kBatch) {
      use(stream.BatchAt(begin, std::min(kBatch, stream.size() - begin)));
    }
  }

  const std::string name_;
  const size_t dim_;
  const std::unique_ptr<Contestant> table_;
  Reference reference_;
  Random random_{1};
  std::vector<float> buffer_;
};

}  // namespace

absl::Status VerifyAnswers(const ContestantKind& kind, uint32_t dim) {
  const Population population(kRows, 1);
  KeyStream all(kRows);
  population.NewRows(0, 0, all);
  Comparison comparison(kind, dim);
  comparison.Push(all);
  if (absl::Status status = comparison.Compare(all); !status.ok()) {
    return status;
  }
  comparison.Push(population.Draw(0, Distribution::kUniform, 1, kUpdates));
  comparison.Push(population.Draw(0, Distribution::kZipf, 2, kUpdates));
  return comparison.Compare(all);
}

}  // namespace freshet::perf
