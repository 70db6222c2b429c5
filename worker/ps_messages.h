#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "common/cluster/partition_map.h"
#include "common/model/batch.h"
#include "common/rpc/rpc.h"
#include "proto/model.pb.h"
#include "proto/ps.pb.h"
#include "worker/key_split.h"
#include "worker/step.h"

namespace freshet::worker {

// What a worker says to one server of a step, and how it reads the answer. The layout of payloads
// is in proto/ps.proto: the keys of a server's runs lie one after the other, and gradients, values
// and counts in the same order.
// Immutable after construction.
class PsMessages {
 public:
  struct Sender {
    uint64_t epoch = 0;
    uint32_t worker = 0;
    proto::ValueType values = proto::F32;           // that rows are pulled as
    proto::ValueType gradients = proto::F32;        // that those of rows are pushed as
    proto::Compression compression = proto::PLAIN;  // of pushes, and of answers to pulls
  };

  // Both references outlive this.
  PsMessages(const proto::ModelSpec& model, const PartitionMap& partitions, Sender sender);

  // One per embedding variable. With runs by slot where the batch says the slots of keys.
  std::vector<KeySplit> Split(const Batch& batch) const;

  // Elements per dense variable.
  const std::vector<size_t>& dense_sizes() const { return dense_sizes_; }

  // The server has a key of the step, or a dense variable.
  bool Concerns(const Step& step, uint32_t server) const;

  rpc::Message Pull(const Step& step, uint32_t server) const;
  rpc::Message Push(const Step& step, uint32_t server) const;
  rpc::Message Announce(const Batch& batch,
                        std::span<const KeySplit> splits,
                        uint32_t server) const;

  // Puts the values that a pull was answered with where the step wants them. Different servers have
  // different rows: they may be taken at the same time.
  Status TakeRows(rpc::Message answer, uint32_t server, Step* step) const;

 private:
  class PayloadWriter;

  void WriteGradients(const Step& step,
                      std::span<const uint32_t> dense,
                      uint32_t server,
                      PayloadWriter* payload) const;
  rpc::Message Packed(proto::PushRequest* request, Buffer payload) const;
  uint32_t DimOf(size_t variable) const;
  std::vector<uint32_t> DenseOf(uint32_t server) const;
  template <typename Request>
  void Describe(const Step& step, uint32_t server, Request* request) const;
  size_t FloatsOf(std::span<const KeySplit> splits,
                  std::span<const uint32_t> dense,
                  uint32_t server) const;

  const proto::ModelSpec& model_;
  const PartitionMap& partitions_;
  const Sender sender_;
  std::vector<size_t> dense_sizes_;
};

}  // namespace freshet::worker
