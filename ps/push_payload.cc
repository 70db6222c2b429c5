#include "ps/push_payload.h"

#include <cstring>

#include "common/cluster/wire_floats.h"
#include "common/feature_life.h"
#include "common/key.h"
#include "ps/model_check.h"
#include "ps/split.h"

namespace freshet::ps {

Status CheckPayloadSize(const char* what, uint64_t got, uint64_t expected) {
  return got == expected ? absl::OkStatus()
                         : InvalidArgument(
                               "the payload of the {} has {} bytes, its runs and dense "
                               "variables say {}",
                               what,
                               got,
                               expected);
}

StatusOr<Buffer> DecodePush(const proto::ModelSpec& model,
                            const proto::PushRequest& request,
                            const Buffer& payload) {
  FRESHET_RETURN_IF_ERROR(CheckRuns(model, request.runs(), payload.size()));
  FRESHET_RETURN_IF_ERROR(CheckDense(model, request.dense()));
  uint64_t keys = 0;
  uint64_t rows = 0;
  uint64_t dense = 0;
  for (const proto::KeyRun& run : request.runs()) {
    keys += run.keys();
    rows +=
        uint64_t{run.keys()} * model.embedding_variables(static_cast<int>(run.variable())).dim();
  }
  for (const uint32_t variable : request.dense()) {
    dense += ElementsOf(model.dense_variables(static_cast<int>(variable)));
  }
  const uint64_t key_bytes = keys * sizeof(Key);
  const uint64_t wire = WireFloatBytes(rows, dense, request.gradients());
  const uint64_t count_bytes = request.counts() ? keys * sizeof(KeyCount) : 0;
  FRESHET_RETURN_IF_ERROR(CheckPayloadSize("push", payload.size(), key_bytes + wire + count_bytes));
  Buffer decoded(key_bytes + (rows + dense) * sizeof(float) + count_bytes);
  std::memcpy(decoded.data(), payload.data(), key_bytes);
  const std::span<float> floats = decoded.as<float>(key_bytes, rows + dense);
  DecodeFloats(
      payload.data() + key_bytes, request.gradients(), floats.first(rows), floats.subspan(rows));
  std::memcpy(decoded.data() + key_bytes + floats.size_bytes(),
              payload.data() + key_bytes + wire,
              count_bytes);
  return decoded;
}

}  // namespace freshet::ps
