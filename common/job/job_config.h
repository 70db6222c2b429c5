#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/env/file_system.h"
#include "common/job/receive_settings.h"
#include "common/model/model.h"
#include "common/model/products.h"
#include "common/sample/sample_format.h"
#include "common/status.h"
#include "common/stream/stream.h"
#include "proto/model.pb.h"
#include "proto/ps.pb.h"

namespace freshet {

enum class Consistency {
  kAsp,  // workers never wait for each other
  kBsp,  // step by step, pushes applied in order of workers: deterministic
  kSsp,  // nobody is more than `staleness` steps ahead of another
};

// Training ends when the log loss of held-out samples has not improved for a while.
struct EarlyStoppingSettings {
  uint64_t samples = 0;          // held-out samples of one assessment
  uint32_t patience = 3;         // assessments without an improvement
  double min_improvement = 0.0;  // a smaller one is none
};

struct TrainingSettings {
  uint32_t batch_size = 512;
  // A batch that is not full goes out when its first sample has waited this long. Not in bsp,
  // where only full batches, and the last ones, do.
  int64_t max_batch_wait_ms = 20;
  uint32_t passes = 1;  // over the whole stream, which ends then
  std::optional<EarlyStoppingSettings> early_stopping = {};
  Consistency consistency = Consistency::kAsp;
  uint64_t staleness = 4;  // of ssp, in steps
  // On the wire; arithmetic is float32 always. Gradients are rounded by chance, unbiased.
  proto::ValueType wire_values = proto::F32;
  proto::ValueType wire_gradients = proto::F32;
  proto::Compression message_compress = proto::PLAIN;  // of what is pushed and pulled
  Products dense_products = Products::kF32;            // of the layers of deep models, in training
  // Pulled before the one before them is computed; bsp: none. Each makes rows staler by a batch.
  uint32_t batches_ahead = 0;
  uint32_t pushes_in_flight = 3;
  // Tell servers which keys a batch has as soon as it is read: those with a disk tier bring the
  // rows up meanwhile.
  bool announce = false;
  uint32_t parse_threads = 1;     // of each worker
  std::string dead_letters;       // folder for records that are no samples; empty: none is kept
  double max_bad_share = 1.0;     // of a partition's records; more end the session
  int64_t rpc_timeout_ms = 2000;  // of one try; tries go on until the session ends
};

// What a worker config says about measures beside those of all samples.
struct EvaluationSettings {
  struct Slice {
    std::string name;
    std::string slot;
    std::string value;  // samples that have this feature belong to the slice
  };

  std::string group_by;  // a slot, for GAUC; empty: no groups
  std::vector<Slice> slices;

  // Samples that are scored and never learned, as one more slice, behind the others.
  std::string held_out_path = {};           // a file or folder, as the stream's; empty: none
  uint64_t held_out_every = 20;             // batches: with one of them a held-out batch is scored
  uint64_t held_out_max_samples = 100'000;  // the rest is not read
};

// The name of the slice of held-out samples.
inline constexpr const char* kHeldOut = "held_out";

// A worker config: what is learned, from what, and how. docs/configuration.md documents each key;
// relative paths are relative to the file.
struct JobConfig {
  FileStreamOptions stream;
  std::optional<ReceiveSettings> receive = {};  // into the stream's folder; none: others write it
  SampleFormat format;
  proto::ModelSpec model;  // with its slots and variables declared
  TrainingSettings training;
  EvaluationSettings evaluation;
};

class ConfigFile;

// InvalidArgument: all that is wrong with the file, with lines.
StatusOr<JobConfig> LoadJobConfig(FileSystem& files, const std::string& path);
// The same, from a file that has been opened.
StatusOr<JobConfig> ReadJobConfig(ConfigFile& file);

// XXH3 of the serialized model, in hex: what makes versions compatible.
std::string ModelHash(const proto::ModelSpec& model);

}  // namespace freshet
