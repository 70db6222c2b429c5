#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/env/file_system.h"
#include "common/feature_life.h"
#include "common/key.h"
#include "common/status.h"
#include "common/version_log/touched_keys.h"
#include "proto/manifest.pb.h"

// A part file: what one owner thread of a server adds to a version. A safetensors file, whose
// tensors, checksums and names docs/formats/part-file.md describes.
namespace freshet {

// Keys that were seen but have no row yet: what admission counts exactly, column by column.
struct CandidateRows {
  std::vector<Key> keys;
  std::vector<uint32_t> frequencies;
  std::vector<uint32_t> last_updates;
  std::vector<FeatureLife> lives;  // as in EmbeddingRows
  std::vector<Key> tombstones;     // no candidates any more; to be applied before the rows
};

// Blocks of a counting Bloom filter (ps/life/counting_bloom.h).
struct FilterBlocks {
  static constexpr size_t kBlockBytes = 64;

  std::vector<uint64_t> blocks;   // their numbers
  std::vector<uint8_t> counters;  // [blocks * kBlockBytes]
};

// How far the stream has come, as the rules of a feature policy see it.
struct StreamClock {
  uint64_t step = 0;          // the largest PushRequest.stream_step
  uint64_t event_time_s = 0;  // the largest, Unix time

  friend bool operator==(const StreamClock&, const StreamClock&) = default;
};

// Rows of one embedding variable, column by column; all columns have keys.size() rows.
struct EmbeddingRows {
  std::string variable;
  proto::ValueType value_type = proto::F32;  // that `values` were rounded to, and are stored as
  uint32_t dim = 0;
  uint32_t state_dim = 0;  // floats of optimizer state per row
  std::vector<Key> keys;
  std::vector<float> values;  // [rows * dim]; of kServing what serving_values leave of them
  proto::ServingValues serving_values = proto::AS_STORED;  // written beside the values
  std::vector<float> states;                               // [rows * state_dim]
  std::vector<uint32_t> frequencies;                       // pushes that touched the row
  std::vector<uint32_t> last_updates;                      // event time, Unix seconds
  std::vector<Key> tombstones;  // keys deleted since the parent; to be applied before the rows

  // Of variables with a feature policy that needs them; else empty, or as they are here.
  std::vector<FeatureLife> lives;  // [rows]
  std::vector<uint8_t> served;     // [rows], 1: for serving, 0: serving must not have the key
  CandidateRows candidates;
  FilterBlocks filter;
  StreamClock clock;
};

struct DenseTensor {
  std::string variable;
  std::vector<uint32_t> shape;
  std::vector<float> values;
  std::vector<float> states;  // [state_dim floats per element], as the optimizer lays it out
};

struct PartContents {
  std::vector<EmbeddingRows> embeddings;
  std::vector<DenseTensor> dense;
};

enum class PartColumns {
  kAll,
  // Keys, tombstones, values (those for serving, if there are), served flags and dense values:
  // nothing else is read or checked.
  kServing,
  // Keys and tombstones: which rows the part is about. Nothing else is read or checked.
  kKeys,
};

// Writes and syncs directory/name, compressed if the name ends with .zst. The answer says what the
// manifest must record.
// InvalidArgument: columns do not fit each other, or a value is not one of its value_type; no file
// is made then.
StatusOr<proto::PartFile> WritePart(FileSystem& files,
                                    const std::string& directory,
                                    const std::string& name,
                                    const PartContents& contents);

// Reads directory/part.name(), checks it against `part`, and each tensor against its checksum.
// `only`: of rows and tombstones those of these keys, for which it takes no memory for the others;
// null: all. Errors: DataLoss names the file, the tensor and both checksums.
StatusOr<PartContents> ReadPart(FileSystem& files,
                                const std::string& directory,
                                const proto::PartFile& part,
                                PartColumns columns,
                                const TouchedKeys* only = nullptr);

// Whether ReadPart would find every checksum right; the same errors. Keeps nothing, and so is
// faster.
Status VerifyPart(FileSystem& files, const std::string& directory, const proto::PartFile& part);

}  // namespace freshet
