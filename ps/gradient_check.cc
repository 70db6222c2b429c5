#include "ps/gradient_check.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "ps/model_check.h"

namespace freshet::ps {
namespace {

constexpr uint32_t kLimitBits = std::bit_cast<uint32_t>(kGradientLimit);

// Infinity and NaN are above the limit too: positive floats are ordered as their bits.
bool IsBad(float gradient) {
  return (std::bit_cast<uint32_t>(gradient) & 0x7fffffffU) >= kLimitBits;
}

}  // namespace

std::optional<size_t> FindBadGradient(std::span<const float> gradients) {
  uint32_t largest = 0;  // without a branch, so that it is vectorised
  for (const float gradient : gradients) {
    largest = std::max(largest, std::bit_cast<uint32_t>(gradient) & 0x7fffffffU);
  }
  if (largest < kLimitBits) {
    return std::nullopt;
  }
  return std::find_if(gradients.begin(), gradients.end(), IsBad) - gradients.begin();
}

Status CheckGradients(const proto::ModelSpec& model,
                      const proto::PushRequest& request,
                      std::span<const Key> keys,
                      std::span<const float> gradients) {
  for (const proto::KeyRun& run : request.runs()) {
    const auto& variable = model.embedding_variables(static_cast<int>(run.variable()));
    const auto of_run = gradients.first(size_t{run.keys()} * variable.dim());
    if (!variable.optimizer().has_ledger()) {
      if (const std::optional<size_t> bad = FindBadGradient(of_run)) {
        return InvalidArgument(
            "push {} of worker {}: the gradient of embedding variable {} for key {:016x} is {} in "
            "column {}, must be finite and below 2^60",
            request.sequence(),
            request.worker(),
            variable.name(),
            keys[*bad / variable.dim()],
            of_run[*bad],
            *bad % variable.dim());
      }
    }
    keys = keys.subspan(run.keys());
    gradients = gradients.subspan(of_run.size());
  }
  for (const uint32_t index : request.dense()) {
    const auto& variable = model.dense_variables(static_cast<int>(index));
    const auto of_variable = gradients.first(ElementsOf(variable));
    if (const std::optional<size_t> bad = FindBadGradient(of_variable)) {
      return InvalidArgument(
          "push {} of worker {}: the gradient of dense variable {} is {} at element {}, must be "
          "finite and below 2^60",
          request.sequence(),
          request.worker(),
          variable.name(),
          of_variable[*bad],
          *bad);
    }
    gradients = gradients.subspan(of_variable.size());
  }
  return absl::OkStatus();
}

}  // namespace freshet::ps
