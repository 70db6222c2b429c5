#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/cluster/partition_map.h"
#include "common/env/env.h"
#include "common/feature_life.h"
#include "common/rpc/rpc.h"
#include "common/version_log/version_log.h"
#include "proto/ps.pb.h"
#include "ps/ps_server.h"

// Servers over the in-process transport, a log in a folder of its own, and what a worker and a
// coordinator would say to them.
namespace freshet::ps::test {

struct Run {
  uint32_t variable = 0;
  std::vector<Key> keys = {};
  std::vector<float> gradients = {};  // of a push
  uint32_t slot = 0;
  std::vector<KeyCount> counts = {};  // of a push; in all runs of a batch or in none
};

struct Batch {
  std::vector<Run> runs = {};
  std::vector<uint32_t> dense = {};
  std::vector<float> dense_gradients = {};
};

struct Sender {
  uint64_t epoch = 1;
  uint32_t worker = 0;
  uint64_t sequence = 0;  // of a push
  uint64_t step = 0;
  bool last = false;
  uint64_t stream_step = 0;
};

rpc::Message PushMessage(const Sender& sender, const Batch& batch);
rpc::Message PullMessage(const Sender& sender, const Batch& batch);
rpc::Message AnnounceMessage(const Sender& sender, const Batch& batch);

// To one server. Waits for each answer.
class Client {
 public:
  Client(rpc::Transport& transport, const std::string& address)
      : channel_(transport.Connect(address)) {}

  rpc::Channel& channel() { return *channel_; }

  StatusOr<uint64_t> Restore(const proto::RestoreRequest& request);
  Status Declare(uint64_t epoch, const proto::ModelSpec& model);
  StatusOr<std::vector<float>> Pull(const Sender& sender, const Batch& batch);
  Status Push(const Sender& sender, const Batch& batch);
  Status Announce(const Sender& sender, const Batch& batch);
  StatusOr<proto::CutResponse> Cut(uint64_t epoch, uint64_t version, bool full = false);
  StatusOr<std::vector<proto::PartFile>> WriteCut(uint64_t epoch, uint64_t version);
  Status EndCut(uint64_t epoch, uint64_t version, bool committed);
  StatusOr<uint64_t> Delete(uint64_t epoch,
                            const std::string& variable,
                            const std::vector<Key>& keys);
  StatusOr<proto::EvictResponse> Evict(uint64_t epoch, const std::string& variable, bool dry_run);
  StatusOr<proto::ExplainResponse> Explain(uint64_t epoch, const std::string& variable, Key key);
  StatusOr<proto::PsStatsResponse> Stats();

 private:
  std::unique_ptr<rpc::Channel> channel_;
};

// A version as a reader of the log sees it: every float and number of each row, by variable and
// key.
struct VersionContents {
  std::map<std::pair<std::string, Key>, std::vector<float>> rows;
  std::map<std::pair<std::string, Key>, std::pair<uint32_t, uint32_t>> metadata;
  std::map<std::string, std::vector<float>> dense;

  friend bool operator==(const VersionContents&, const VersionContents&) = default;
};

// A folder that is there as long as this.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct ClusterShape {
  uint32_t servers = 1;
  uint32_t owner_threads = 1;
  uint32_t workers = 1;
  bool bsp = false;
  uint64_t dram_bytes = 0;  // of each server, with the other rows on disk; 0: all rows in memory
};

class Cluster {
 public:
  explicit Cluster(const ClusterShape& shape, const std::string& log_directory = "");

  const ClusterShape& shape() const { return shape_; }

  Client& client(uint32_t server = 0) { return *clients_[server]; }

  PsServer& server(uint32_t server = 0) { return *servers_[server]; }

  rpc::Transport& transport() { return *transport_; }

  const std::string& address(uint32_t server) const { return addresses_[server]; }

  VersionLog& log() { return log_; }

  // Where a server's rows on disk lie.
  std::string StorageDirectory(uint32_t server) const;

  proto::RestoreRequest RestoreRequest(uint64_t epoch, uint64_t version, uint32_t server = 0) const;
  // Restores all servers; returns the rows of all.
  uint64_t Restore(uint64_t epoch, uint64_t version);
  void Declare(uint64_t epoch, const proto::ModelSpec& model);

  // Keys in the order of a pull, split by server and put together again. Only embeddings.
  std::vector<float> PullAll(uint64_t epoch,
                             uint32_t variable,
                             uint32_t dim,
                             std::vector<Key> keys);

  // A whole cut, as the coordinator does it.
  void CutVersion(uint64_t epoch,
                  uint64_t version,
                  const proto::ModelSpec& model,
                  bool full = false);
  void Commit(uint64_t version,
              const proto::ModelSpec& model,
              const std::vector<proto::PartFile>& parts,
              bool full);
  VersionContents Read(uint64_t version);

  uint32_t ServerOf(Key key) const { return map_.ServerOfKey(key); }

 private:
  const ClusterShape shape_;
  const PartitionMap map_;
  ScratchFolder scratch_;
  const std::string log_directory_;
  std::unique_ptr<rpc::Transport> transport_;
  VersionLog log_;
  std::vector<std::unique_ptr<PsServer>> servers_;
  std::vector<std::string> addresses_;
  std::vector<std::unique_ptr<Client>> clients_;
};

// A key that looks like any other.
inline Key KeyOf(uint64_t i) {
  return SplitMix64(i ^ 0xabcdefU);
}

}  // namespace freshet::ps::test
