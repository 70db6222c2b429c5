#pragma once
#include <memory>
#include <string>

#include "common/env/file_system.h"

namespace freshet {

enum class Compression { kNone, kGzip, kZstd };

// By the end of the name: .gz, .zst.
Compression CompressionOf(const std::string& path);

// The content of a compressed file, read as if it lay there plain. Made to be read forwards; going
// back begins anew at the front. Members of gzip and frames of zstd may follow each other. What is
// appended to the file meanwhile is seen by later reads.
class DecompressedFile : public ReadableFile {
 public:
  // The file ends where a member or frame ends: so far nothing is missing.
  virtual bool AtBoundary() const = 0;
};

// `path` is for errors. DataLoss, by reads: the file is not of this compression, or damaged.
std::unique_ptr<DecompressedFile> Decompress(std::unique_ptr<ReadableFile> file,
                                             Compression compression,
                                             const std::string& path);

}  // namespace freshet
