#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/cluster/partition_map.h"
#include "common/env/env.h"
#include "common/status.h"
#include "proto/model.pb.h"
#include "worker/metrics.h"
#include "worker/ps_messages.h"
#include "worker/retrier.h"
#include "worker/step.h"

namespace freshet::worker {

struct PsClientOptions {
  uint64_t epoch = 0;
  uint32_t worker = 0;
  std::vector<std::string> servers;  // addresses, by rank
  uint32_t partition_count = kDefaultPartitionCount;
  std::chrono::milliseconds timeout_of_a_try{2000};
  proto::ValueType values = proto::F32;     // on the wire: of rows pulled
  proto::ValueType gradients = proto::F32;  // and of those pushed
  proto::Compression compression = proto::PLAIN;
  std::optional<uint64_t> staleness;  // of ssp: what each pull is held to
};

// All parameter servers as one. Deals keys out to the servers that own them, and puts answers
// together. Calls are repeated until they succeed, but for announcements.
//
// Each method returns at once, and calls its `done` once: when all servers have done it, with the
// first error that a further try would not mend, or with Cancelled after Close. On a transport
// thread, or inside the method if no server is concerned. Steps stay alive until then.
// Thread-safety: one thread, which also closes; Announce any thread, before Close.
class PsClient {
 public:
  using Done = std::function<void(const Status&)>;

  // Connects to nobody yet.
  PsClient(const Env& env,
           const proto::ModelSpec& model,
           PsClientOptions options,
           WorkerMetrics& metrics);
  ~PsClient();

  void Declare(Done done);
  // Fills step->splits, embeddings and dense. Asks only servers that own something of it.
  void Pull(const std::shared_ptr<Step>& step, Done done);
  // Sends the step's gradients. Every server gets it, also one that owns none of its keys: servers
  // count steps, and see a lost push as a gap in the sequence, which is the step's number.
  void Push(const std::shared_ptr<Step>& step, Done done);

  // Tells the servers which keys of theirs the batch has, ahead of its pull. A hint: sent once, and
  // nobody hears what became of it.
  void Announce(const Batch& batch);

  // Fails what is under way with Cancelled. Nothing may be called after it but the destructor.
  void Close();

 private:
  class Countdown;

  Status CheckStaleness(const rpc::Message& answer, const Step& step);

  const proto::ModelSpec model_;
  const PsClientOptions options_;
  const PartitionMap partitions_;
  const PsMessages messages_;
  WorkerMetrics& metrics_;
  Retrier retrier_;
  std::vector<std::unique_ptr<rpc::Channel>> channels_;  // by server; gone before the retrier
};

}  // namespace freshet::worker
