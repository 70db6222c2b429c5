#include "worker/ps_messages.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/check.h"
#include "common/cluster/packed_payload.h"
#include "common/cluster/wire_floats.h"
#include "common/key.h"
#include "common/rpc/typed.h"
#include "worker/row_copy.h"

namespace freshet::worker {

// Writes arrays one after the other into a buffer made for them.
class PsMessages::PayloadWriter {
 public:
  explicit PayloadWriter(size_t bytes) : payload_(bytes) {}

  // The place of the next `count` values, which the caller fills.
  template <typename T>
  T* Next(size_t count) {
    FRESHET_CHECK(written_ + count * sizeof(T) <= payload_.size());
    T* const place = payload_.as<T>(written_, count).data();
    written_ += count * sizeof(T);
    return place;
  }

  template <typename T>
  void Write(const T* values, size_t count) {
    if (count > 0) {
      std::memcpy(Next<T>(count), values, count * sizeof(T));
    }
  }

  Buffer Take() {
    FRESHET_CHECK(written_ == payload_.size());
    return std::move(payload_);
  }

 private:
  Buffer payload_;
  size_t written_ = 0;
};

namespace {

size_t ElementsOf(const proto::DenseVariable& variable) {
  size_t elements = 1;
  for (const uint32_t extent : variable.shape()) {
    elements *= extent;
  }
  return elements;
}

size_t KeysOf(std::span<const KeySplit> splits, uint32_t server) {
  size_t keys = 0;
  for (const KeySplit& split : splits) {
    keys += split.OfServer(server).size();
  }
  return keys;
}

template <typename Request>
void AddRuns(std::span<const KeySplit> splits, uint32_t server, Request* request) {
  for (size_t variable = 0; variable < splits.size(); ++variable) {
    for (const KeySplit::Run& run : splits[variable].RunsOfServer(server)) {
      proto::KeyRun* added = request->add_runs();
      added->set_variable(static_cast<uint32_t>(variable));
      added->set_keys(run.keys);
      added->set_slot(run.slot);
    }
  }
}

void WriteKeys(const Batch& batch,
               std::span<const KeySplit> splits,
               uint32_t server,
               auto* payload) {
  for (size_t variable = 0; variable < splits.size(); ++variable) {
    const std::vector<Key>& keys = batch.inputs[variable].keys;
    const std::span<const uint32_t> indices = splits[variable].OfServer(server);
    Key* next = payload->template Next<Key>(indices.size());
    for (const uint32_t index : indices) {
      *next++ = keys[index];
    }
  }
}

bool HasCounts(const Batch& batch) {
  return std::any_of(batch.inputs.begin(), batch.inputs.end(), [](const SparseInput& input) {
    return !input.counts.empty();
  });
}

// A variable whose keys nobody counted has each of them once, as a push without counts says.
void WriteCounts(const Step& step, uint32_t server, auto* payload) {
  constexpr KeyCount kOnce;
  for (size_t variable = 0; variable < step.splits.size(); ++variable) {
    const std::vector<KeyCount>& counts = step.batch.inputs[variable].counts;
    const std::span<const uint32_t> indices = step.splits[variable].OfServer(server);
    KeyCount* next = payload->template Next<KeyCount>(indices.size());
    for (const uint32_t index : indices) {
      *next++ = counts.empty() ? kOnce : counts[index];
    }
  }
}

}  // namespace

// Of rows, then of dense variables.
void PsMessages::WriteGradients(const Step& step,
                                std::span<const uint32_t> dense,
                                uint32_t server,
                                PayloadWriter* payload) const {
  for (size_t variable = 0; variable < step.splits.size(); ++variable) {
    const size_t dim = DimOf(variable);
    const std::span<const uint32_t> indices = step.splits[variable].OfServer(server);
    GatherRows(step.embedding_gradients[variable].data(),
               indices,
               dim,
               payload->Next<float>(indices.size() * dim));
  }
  for (const uint32_t variable : dense) {
    payload->Write(step.dense_gradients[variable].data(), dense_sizes_[variable]);
  }
}

PsMessages::PsMessages(const proto::ModelSpec& model, const PartitionMap& partitions, Sender sender)
    : model_(model), partitions_(partitions), sender_(sender) {
  for (const proto::DenseVariable& variable : model_.dense_variables()) {
    dense_sizes_.push_back(ElementsOf(variable));
  }
}

std::vector<KeySplit> PsMessages::Split(const Batch& batch) const {
  std::vector<KeySplit> splits;
  for (const SparseInput& input : batch.inputs) {
    splits.push_back(SplitKeys(partitions_, input.keys, input.key_slots));
  }
  return splits;
}

bool PsMessages::Concerns(const Step& step, uint32_t server) const {
  return KeysOf(step.splits, server) > 0 || !DenseOf(server).empty();
}

uint32_t PsMessages::DimOf(size_t variable) const {
  return model_.embedding_variables(static_cast<int>(variable)).dim();
}

std::vector<uint32_t> PsMessages::DenseOf(uint32_t server) const {
  std::vector<uint32_t> owned;
  for (uint32_t variable = 0; variable < dense_sizes_.size(); ++variable) {
    if (partitions_.ServerOfDense(variable) == server) {
      owned.push_back(variable);
    }
  }
  return owned;
}

size_t PsMessages::FloatsOf(std::span<const KeySplit> splits,
                            std::span<const uint32_t> dense,
                            uint32_t server) const {
  size_t floats = 0;
  for (size_t variable = 0; variable < splits.size(); ++variable) {
    floats += splits[variable].OfServer(server).size() * DimOf(variable);
  }
  for (const uint32_t variable : dense) {
    floats += dense_sizes_[variable];
  }
  return floats;
}

// What pulls and pushes have in common. A step without a batch concerns no dense variable either.
template <typename Request>
void PsMessages::Describe(const Step& step, uint32_t server, Request* request) const {
  request->set_epoch(sender_.epoch);
  request->set_worker(sender_.worker);
  request->set_step(step.number);
  AddRuns(step.splits, server, request);
  if (!step.last) {
    const std::vector<uint32_t> dense = DenseOf(server);
    request->mutable_dense()->Assign(dense.begin(), dense.end());
  }
}

rpc::Message PsMessages::Pull(const Step& step, uint32_t server) const {
  proto::PullRequest request;
  Describe(step, server, &request);
  request.set_values(sender_.values);
  request.set_compression(sender_.compression);
  PayloadWriter payload(KeysOf(step.splits, server) * sizeof(Key));
  WriteKeys(step.batch, step.splits, server, &payload);
  return rpc::MakeMessage(request, payload.Take());
}

rpc::Message PsMessages::Push(const Step& step, uint32_t server) const {
  proto::PushRequest request;
  Describe(step, server, &request);
  request.set_sequence(step.number);
  request.set_event_time_ms(step.batch.max_event_time_ms);
  request.set_last(step.last);
  request.set_stream_step(step.stream_step);
  request.set_counts(HasCounts(step.batch));
  request.set_gradients(sender_.gradients);
  const size_t keys = KeysOf(step.splits, server);
  const std::vector<uint32_t> dense(request.dense().begin(), request.dense().end());
  const size_t row_floats = FloatsOf(step.splits, {}, server);
  const size_t dense_floats = FloatsOf({}, dense, server);
  const uint64_t float_bytes = WireFloatBytes(row_floats, dense_floats, sender_.gradients);
  PayloadWriter payload(keys * sizeof(Key) + float_bytes +
                        (request.counts() ? keys * sizeof(KeyCount) : 0));
  WriteKeys(step.batch, step.splits, server, &payload);
  if (sender_.gradients == proto::F32) {
    WriteGradients(step, dense, server, &payload);
  } else {
    PayloadWriter floats((row_floats + dense_floats) * sizeof(float));
    WriteGradients(step, dense, server, &floats);
    const Buffer wide = floats.Take();
    const std::span<const float> all = wide.as<float>(0, row_floats + dense_floats);
    Buffer narrow(float_bytes);
    // The same for each try of a push: servers that hold it already need not look.
    const uint64_t seed =
        SplitMix64(step.stream_step) ^ SplitMix64((uint64_t{sender_.worker} << 32U) + server);
    EncodeFloatsByChance(
        all.first(row_floats), all.subspan(row_floats), sender_.gradients, seed, narrow.data());
    payload.Write(narrow.data(), narrow.size());
  }
  if (request.counts()) {
    WriteCounts(step, server, &payload);
  }
  return Packed(&request, payload.Take());
}

rpc::Message PsMessages::Announce(const Batch& batch,
                                  std::span<const KeySplit> splits,
                                  uint32_t server) const {
  proto::AnnounceRequest request;
  request.set_epoch(sender_.epoch);
  request.set_worker(sender_.worker);
  AddRuns(splits, server, &request);
  PayloadWriter payload(KeysOf(splits, server) * sizeof(Key));
  WriteKeys(batch, splits, server, &payload);
  return rpc::MakeMessage(request, payload.Take());
}

// Says in the head how the body was compressed, if it was.
rpc::Message PsMessages::Packed(proto::PushRequest* request, Buffer payload) const {
  proto::Packed packed;
  Buffer body = PackPayload(sender_.compression, std::move(payload), &packed);
  if (packed.codec() != proto::PLAIN) {
    *request->mutable_packed() = packed;
  }
  return rpc::MakeMessage(*request, std::move(body));
}

Status PsMessages::TakeRows(rpc::Message answer, uint32_t server, Step* step) const {
  if (sender_.compression != proto::PLAIN) {
    FRESHET_ASSIGN_OR_RETURN(const auto response, rpc::ParseHead<proto::PullResponse>(answer));
    FRESHET_ASSIGN_OR_RETURN(answer.body, UnpackPayload(response.packed(), std::move(answer.body)));
  }
  const std::vector<uint32_t> dense = DenseOf(server);
  const size_t row_floats = FloatsOf(step->splits, {}, server);
  const size_t floats = FloatsOf(step->splits, dense, server);
  const uint64_t bytes = WireFloatBytes(row_floats, floats - row_floats, sender_.values);
  if (answer.body.size() != bytes) {
    return Internal("the answer has {} bytes, it must have {}", answer.body.size(), bytes);
  }
  std::vector<float> decoded;
  const float* next = nullptr;
  if (sender_.values == proto::F32) {
    next = answer.body.as<float>(0, floats).data();
  } else {
    decoded.resize(floats);
    const std::span all(decoded);
    DecodeFloats(
        answer.body.data(), sender_.values, all.first(row_floats), all.subspan(row_floats));
    next = decoded.data();
  }
  for (size_t variable = 0; variable < step->splits.size(); ++variable) {
    const size_t dim = DimOf(variable);
    const std::span<const uint32_t> indices = step->splits[variable].OfServer(server);
    ScatterRows(next, indices, dim, step->embeddings[variable].data());
    next += indices.size() * dim;
  }
  for (const uint32_t variable : dense) {
    std::memcpy(step->dense[variable].data(), next, dense_sizes_[variable] * sizeof(float));
    next += dense_sizes_[variable];
  }
  return absl::OkStatus();
}

}  // namespace freshet::worker
