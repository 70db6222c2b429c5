#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/env/file_system.h"
#include "common/status.h"

// A part file as one zstd frame: what `zstd -d` makes of it is the part.
namespace freshet {

bool IsZstdName(const std::string& name);

// Thread-safety: one thread.
class ZstdWriter {
 public:
  // `file` outlives this object.
  explicit ZstdWriter(WritableFile& file);

  Status Append(std::span<const std::byte> bytes);
  // Once, at the end. The caller syncs.
  Status Finish();

  // Of the file, after Finish.
  uint64_t bytes() const { return bytes_; }

  std::string xxh3() const;

 private:
  struct State;

  Status Compress(std::span<const std::byte> bytes, bool last);

  WritableFile& file_;
  std::shared_ptr<State> state_;
  uint64_t bytes_ = 0;
};

// The plain bytes from the first on, as far as they have been asked for: they stay in memory.
// Thread-safety: one thread.
class ZstdReader final : public ReadableFile {
 public:
  // `file` outlives this object. DataLoss of reading: no zstd, or more than `plain_bytes`.
  ZstdReader(const ReadableFile& file, uint64_t plain_bytes);

  StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> into) const override;

  // Reads to the end. DataLoss: the file is not as it was written.
  Status CheckWhole(uint64_t bytes, const std::string& xxh3) const;

 private:
  struct State;

  Status GrowTo(uint64_t plain_bytes) const;

  const ReadableFile& file_;
  const uint64_t plain_bytes_;
  std::shared_ptr<State> state_;
};

}  // namespace freshet
