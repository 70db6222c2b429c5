#include "common/stream/decompressed_file.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>
#include <vector>

#include "common/check.h"

namespace freshet {
namespace {

constexpr size_t kInputBytes = 128U << 10U;

// Bytes in, bytes out.
class Decoder {
 public:
  virtual ~Decoder() = default;

  struct Progress {
    size_t taken = 0;
    size_t made = 0;
  };

  // Begins anew, at the front of a file.
  virtual void Reset() = 0;
  virtual StatusOr<Progress> Decode(std::span<const std::byte> in, std::span<std::byte> out) = 0;
  virtual bool AtBoundary() const = 0;
};

class GzipDecoder final : public Decoder {
 public:
  GzipDecoder() { FRESHET_CHECK(inflateInit2(&stream_, kGzipOnly) == Z_OK); }

  ~GzipDecoder() override { inflateEnd(&stream_); }

  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;

  void Reset() override {
    FRESHET_CHECK(inflateReset(&stream_) == Z_OK);
    at_boundary_ = true;
  }

  StatusOr<Progress> Decode(std::span<const std::byte> in, std::span<std::byte> out) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(std::min<size_t>(out.size(), kInputBytes));
    const size_t room = stream_.avail_out;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    const Progress progress{.taken = in.size() - stream_.avail_in,
                            .made = room - stream_.avail_out};
    if (result == Z_STREAM_END) {
      Reset();
      return progress;
    }
    if (result != Z_OK && result != Z_BUF_ERROR) {
      return DataLoss("no gzip: {}", stream_.msg == nullptr ? "damaged" : stream_.msg);
    }
    at_boundary_ = at_boundary_ && progress.taken == 0;
    return progress;
  }

  bool AtBoundary() const override { return at_boundary_; }

 private:
  static constexpr int kGzipOnly = 15 + 16;

  z_stream stream_{};
  bool at_boundary_ = true;
};

class ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder() : context_(ZSTD_createDCtx()) { FRESHET_CHECK(context_ != nullptr); }

  ~ZstdDecoder() override { ZSTD_freeDCtx(context_); }

  ZstdDecoder(const ZstdDecoder&) = delete;
  ZstdDecoder& operator=(const ZstdDecoder&) = delete;

  void Reset() override {
    ZSTD_DCtx_reset(context_, ZSTD_reset_session_only);
    at_boundary_ = true;
  }

  StatusOr<Progress> Decode(std::span<const std::byte> in, std::span<std::byte> out) override {
    ZSTD_inBuffer input{.src = in.data(), .size = in.size(), .pos = 0};
    ZSTD_outBuffer output{.dst = out.data(), .size = out.size(), .pos = 0};
    const size_t left = ZSTD_decompressStream(context_, &output, &input);
    if (ZSTD_isError(left) != 0) {
      return DataLoss("no zstd: {}", ZSTD_getErrorName(left));
    }
    if (left == 0) {
      at_boundary_ = true;
    } else if (input.pos > 0) {
      at_boundary_ = false;
    }
    return Progress{.taken = input.pos, .made = output.pos};
  }

  bool AtBoundary() const override { return at_boundary_; }

 private:
  ZSTD_DCtx* const context_;
  bool at_boundary_ = true;
};

class Reader final : public DecompressedFile {
 public:
  Reader(std::unique_ptr<ReadableFile> file, std::unique_ptr<Decoder> decoder, std::string path)
      : file_(std::move(file)), decoder_(std::move(decoder)), path_(std::move(path)) {}

  StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> into) const override {
    const std::lock_guard lock(mutex_);
    if (offset < made_) {
      decoder_->Reset();
      taken_ = made_ = 0;
      begin_ = end_ = 0;
    }
    std::array<std::byte, 4096> skipped;
    while (made_ < offset) {
      const std::span some(skipped.data(), std::min<uint64_t>(skipped.size(), offset - made_));
      FRESHET_ASSIGN_OR_RETURN(const size_t got, Read(some));
      if (got == 0) {
        return 0;
      }
    }
    return Read(into);
  }

  bool AtBoundary() const override {
    const std::lock_guard lock(mutex_);
    return decoder_->AtBoundary() && begin_ == end_;
  }

 private:
  // The bytes that follow; 0: the file has no more at present.
  StatusOr<size_t> Read(std::span<std::byte> into) const {
    size_t got = 0;
    while (got < into.size()) {
      if (begin_ == end_) {
        FRESHET_ASSIGN_OR_RETURN(end_, file_->ReadAt(taken_, std::span(input_)));
        begin_ = 0;
        taken_ += end_;
      }
      const bool input_ended = begin_ == end_;
      const auto progress = decoder_->Decode(
          std::span<const std::byte>(input_).subspan(begin_, end_ - begin_), into.subspan(got));
      if (!progress.ok()) {
        return Annotate(progress.status(), fmt::format("{}, near byte {}", path_, taken_));
      }
      begin_ += progress->taken;
      got += progress->made;
      made_ += progress->made;
      if (input_ended && progress->made == 0) {
        break;
      }
    }
    return got;
  }

  const std::unique_ptr<ReadableFile> file_;
  const std::unique_ptr<Decoder> decoder_;
  const std::string path_;

  mutable std::mutex mutex_;
  // All below: with the mutex held.
  mutable std::vector<std::byte> input_ = std::vector<std::byte>(kInputBytes);
  mutable size_t begin_ = 0;  // of what is not decoded yet
  mutable size_t end_ = 0;
  mutable uint64_t taken_ = 0;  // of the file, into input_
  mutable uint64_t made_ = 0;   // decoded bytes so far
};

}  // namespace

Compression CompressionOf(const std::string& path) {
  return path.ends_with(".gz")    ? Compression::kGzip
         : path.ends_with(".zst") ? Compression::kZstd
                                  : Compression::kNone;
}

std::unique_ptr<DecompressedFile> Decompress(std::unique_ptr<ReadableFile> file,
                                             Compression compression,
                                             const std::string& path) {
  FRESHET_CHECK(compression != Compression::kNone);
  std::unique_ptr<Decoder> decoder;
  if (compression == Compression::kGzip) {
    decoder = std::make_unique<GzipDecoder>();
  } else {
    decoder = std::make_unique<ZstdDecoder>();
  }
  return std::make_unique<Reader>(std::move(file), std::move(decoder), path);
}

}  // namespace freshet
