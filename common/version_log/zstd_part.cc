#include "common/version_log/zstd_part.h"

#include <zstd.h>

#include <algorithm>
#include <memory>

#include "common/check.h"
#include "common/version_log/checksum.h"

namespace freshet {
namespace {

// The fastest of the named levels: floats shrink little, and no more at higher ones.
constexpr int kLevel = 1;

struct Free {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }

  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

bool IsZstdName(const std::string& name) {
  return name.ends_with(".zst");
}

struct ZstdWriter::State {
  std::unique_ptr<ZSTD_CCtx, Free> context{ZSTD_createCCtx()};
  Xxh3Sum sum;
  std::vector<std::byte> out = std::vector<std::byte>(ZSTD_CStreamOutSize());
};

ZstdWriter::ZstdWriter(WritableFile& file) : file_(file), state_(std::make_shared<State>()) {
  FRESHET_CHECK(state_->context != nullptr);
  ZSTD_CCtx_setParameter(state_->context.get(), ZSTD_c_compressionLevel, kLevel);
}

Status ZstdWriter::Append(std::span<const std::byte> bytes) {
  return Compress(bytes, false);
}

Status ZstdWriter::Finish() {
  return Compress({}, true);
}

Status ZstdWriter::Compress(std::span<const std::byte> bytes, bool last) {
  ZSTD_inBuffer in{.src = bytes.data(), .size = bytes.size(), .pos = 0};
  while (true) {
    ZSTD_outBuffer out{.dst = state_->out.data(), .size = state_->out.size(), .pos = 0};
    const size_t left =
        ZSTD_compressStream2(state_->context.get(), &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left) != 0) {
      return Internal("zstd: {}", ZSTD_getErrorName(left));
    }
    if (out.pos > 0) {
      state_->sum.Add(std::span(state_->out).first(out.pos));
      bytes_ += out.pos;
      FRESHET_RETURN_IF_ERROR(file_.Append(std::span(state_->out).first(out.pos)));
    }
    if (last ? left == 0 : in.pos == in.size) {
      return absl::OkStatus();
    }
  }
}

std::string ZstdWriter::xxh3() const {
  return state_->sum.Hex();
}

struct ZstdReader::State {
  std::unique_ptr<ZSTD_DCtx, Free> context{ZSTD_createDCtx()};
  Xxh3Sum sum;
  std::vector<std::byte> in = std::vector<std::byte>(ZSTD_DStreamInSize());
  size_t in_begin = 0;  // of what is not decoded yet
  size_t in_end = 0;
  uint64_t taken = 0;  // of the file, into `in`
  bool file_ended = false;
  bool frame_ended = false;
  std::vector<std::byte> plain;
};

ZstdReader::ZstdReader(const ReadableFile& file, uint64_t plain_bytes)
    : file_(file), plain_bytes_(plain_bytes), state_(std::make_shared<State>()) {
  FRESHET_CHECK(state_->context != nullptr);
}

// Memory grows with what was decoded, not with what is promised.
Status ZstdReader::GrowTo(uint64_t plain_bytes) const {
  State& state = *state_;
  while (state.plain.size() < plain_bytes && !state.frame_ended) {
    if (state.in_begin == state.in_end && !state.file_ended) {
      FRESHET_ASSIGN_OR_RETURN(state.in_end, file_.ReadAt(state.taken, std::span(state.in)));
      state.in_begin = 0;
      state.taken += state.in_end;
      state.file_ended = state.in_end < state.in.size();
      state.sum.Add(std::span(state.in).first(state.in_end));
    }
    const size_t before = state.plain.size();
    state.plain.resize(before + ZSTD_DStreamOutSize());
    ZSTD_inBuffer in{.src = state.in.data(), .size = state.in_end, .pos = state.in_begin};
    ZSTD_outBuffer out{.dst = state.plain.data() + before, .size = ZSTD_DStreamOutSize(), .pos = 0};
    const size_t left = ZSTD_decompressStream(state.context.get(), &out, &in);
    state.plain.resize(before + out.pos);
    if (ZSTD_isError(left) != 0) {
      return DataLoss("is no zstd near byte {}: {}", state.taken, ZSTD_getErrorName(left));
    }
    const bool stuck = out.pos == 0 && in.pos == state.in_begin && state.file_ended;
    state.in_begin = in.pos;
    state.frame_ended = left == 0;
    if (state.plain.size() > plain_bytes_) {
      return DataLoss("holds more than the {} bytes that the manifest says", plain_bytes_);
    }
    if (stuck) {
      return DataLoss("ends within its zstd frame, at byte {}", state.taken);
    }
  }
  return absl::OkStatus();
}

StatusOr<size_t> ZstdReader::ReadAt(uint64_t offset, std::span<std::byte> into) const {
  FRESHET_RETURN_IF_ERROR(GrowTo(std::min<uint64_t>(offset + into.size(), plain_bytes_)));
  const std::vector<std::byte>& plain = state_->plain;
  if (offset >= plain.size()) {
    return size_t{0};
  }
  const size_t count = std::min<size_t>(into.size(), plain.size() - offset);
  std::copy_n(plain.begin() + static_cast<std::ptrdiff_t>(offset), count, into.begin());
  return count;
}

Status ZstdReader::CheckWhole(uint64_t bytes, const std::string& xxh3) const {
  FRESHET_RETURN_IF_ERROR(GrowTo(plain_bytes_ + 1));
  const State& state = *state_;
  if (state.plain.size() != plain_bytes_ || state.taken != bytes ||
      state.in_begin != state.in_end) {
    return DataLoss("makes {} bytes of {}, the manifest says {} of {}",
                    state.plain.size(),
                    state.taken - (state.in_end - state.in_begin),
                    plain_bytes_,
                    bytes);
  }
  if (const std::string found = state.sum.Hex(); found != xxh3) {
    return DataLoss("has xxh3 {}, the manifest says {}", found, xxh3);
  }
  return absl::OkStatus();
}

}  // namespace freshet
