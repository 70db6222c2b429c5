#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/env/file_system.h"
#include "common/key.h"
#include "common/status.h"
#include "proto/manifest.pb.h"

// A part file: what one owner thread of a server adds to a version. A safetensors file, whose
// tensors, checksums and names docs/formats/part-file.md describes.
namespace freshet {

// Rows of one embedding variable, column by column; all columns have keys.size() rows.
struct EmbeddingRows {
  std::string variable;
  uint32_t dim = 0;
  uint32_t state_dim = 0;  // floats of optimizer state per row
  std::vector<Key> keys;
  std::vector<float> values;           // [rows * dim]
  std::vector<float> states;           // [rows * state_dim]
  std::vector<uint32_t> frequencies;   // pushes that touched the row
  std::vector<uint32_t> last_updates;  // event time, Unix seconds
  std::vector<Key> tombstones;  // keys deleted since the parent; to be applied before the rows
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
  kServing,  // keys, values, tombstones and dense values: nothing else is read or checked
};

// Writes and syncs directory/name. The answer says what the manifest must record.
StatusOr<proto::PartFile> WritePart(FileSystem& files,
                                    const std::string& directory,
                                    const std::string& name,
                                    const PartContents& contents);

// Reads directory/part.name(), checks it against `part`, and each tensor against its checksum.
// Errors: DataLoss names the file, the tensor and both checksums.
StatusOr<PartContents> ReadPart(FileSystem& files,
                                const std::string& directory,
                                const proto::PartFile& part,
                                PartColumns columns);

}  // namespace freshet
