#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/env/file_system.h"
#include "common/status.h"

// Checksums beside a file that is appended to, block by block (docs/formats/received.md).
namespace freshet {

inline constexpr size_t kSumBlockBytes = 64U << 10U;

// Of the file "FOLDER/NAME": "FOLDER/_NAME.sums".
std::string BlockSumsPath(const std::string& path);

// What is known of a file.
struct SummedBlocks {
  uint64_t bytes = 0;               // so many from its beginning have checksums
  std::vector<uint64_t> sums = {};  // of each block of them; the last one may not be full
};

// The checksums of what is appended to a file. One thread at a time.
class BlockSums {
 public:
  // Goes on behind blocks whose checksums are known.
  explicit BlockSums(std::vector<uint64_t> sums = {}) : sums_(std::move(sums)) {}

  void Append(std::string_view bytes);

  // Blocks that are full.
  size_t blocks() const { return sums_.size(); }

  // The content of the file of checksums. `ended`: nothing will be appended any more, and the last
  // block counts also if it is not full.
  std::string Text(bool ended) const;

 private:
  std::vector<uint64_t> sums_;
  std::string block_;  // the bytes behind the last full block
};

// Those of the file `path`; none if it has no file of them. DataLoss: that file is damaged.
StatusOr<SummedBlocks> ReadBlockSums(FileSystem& files, const std::string& path);

// A file of which blocks have checksums. Blocks behind them count as whole. One thread at a time.
class CheckedFile final : public ReadableFile {
 public:
  // `path` is for errors.
  CheckedFile(std::unique_ptr<ReadableFile> file, SummedBlocks summed, std::string path)
      : file_(std::move(file)), summed_(std::move(summed)), path_(std::move(path)) {}

  // Gives also what is damaged, and remembers that. DataLoss: the file ends before its checksums.
  StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> into) const override;

  // Whether any of these bytes lie in a block that was read and is damaged.
  bool IsDamaged(uint64_t begin, uint64_t end) const;

 private:
  StatusOr<size_t> ReadBlock(uint64_t block) const;

  const std::unique_ptr<ReadableFile> file_;
  const SummedBlocks summed_;
  const std::string path_;
  mutable std::vector<std::byte> block_;
  mutable std::vector<uint64_t> damaged_;  // blocks, in order
};

}  // namespace freshet
