#include "common/cluster/packed_payload.h"

#include <lz4.h>
#include <zstd.h>

#include <utility>

namespace freshet {
namespace {

constexpr size_t kWord = 4;
constexpr int kZstdLevel = 1;

// Bytes by their place in a word: first those at 0, then those at 1, ... What floats have in common
// is in the bytes of their exponents, which so come to lie side by side. The last size % kWord
// bytes stay where they are.
void GroupBytes(std::span<const std::byte> from, std::byte* to) {
  const size_t words = from.size() / kWord;
  for (size_t place = 0; place < kWord; ++place) {
    for (size_t i = 0; i < words; ++i) {
      to[place * words + i] = from[i * kWord + place];
    }
  }
  std::copy(from.begin() + static_cast<ptrdiff_t>(words * kWord), from.end(), to + words * kWord);
}

void UngroupBytes(std::span<const std::byte> from, std::byte* to) {
  const size_t words = from.size() / kWord;
  for (size_t place = 0; place < kWord; ++place) {
    for (size_t i = 0; i < words; ++i) {
      to[i * kWord + place] = from[place * words + i];
    }
  }
  std::copy(from.begin() + static_cast<ptrdiff_t>(words * kWord), from.end(), to + words * kWord);
}

// Bytes written to `to`; 0 if they do not fit.
size_t Compress(proto::Compression codec,
                std::span<const std::byte> from,
                std::span<std::byte> to) {
  if (codec == proto::LZ4) {
    return static_cast<size_t>(LZ4_compress_default(reinterpret_cast<const char*>(from.data()),
                                                    reinterpret_cast<char*>(to.data()),
                                                    static_cast<int>(from.size()),
                                                    static_cast<int>(to.size())));
  }
  const size_t size = ZSTD_compress(to.data(), to.size(), from.data(), from.size(), kZstdLevel);
  return ZSTD_isError(size) != 0 ? 0 : size;
}

// Whether `from` becomes exactly as many bytes as `to` has.
bool Decompress(proto::Compression codec,
                std::span<const std::byte> from,
                std::span<std::byte> to) {
  if (codec == proto::LZ4) {
    return LZ4_decompress_safe(reinterpret_cast<const char*>(from.data()),
                               reinterpret_cast<char*>(to.data()),
                               static_cast<int>(from.size()),
                               static_cast<int>(to.size())) == static_cast<int>(to.size());
  }
  return ZSTD_decompress(to.data(), to.size(), from.data(), from.size()) == to.size();
}

}  // namespace

Buffer PackPayload(proto::Compression codec, Buffer payload, proto::Packed* packed) {
  if (codec == proto::PLAIN || payload.empty() || payload.size() > kMostUnpackedBytes) {
    return payload;
  }
  Buffer grouped(payload.size());
  GroupBytes(payload.bytes(), grouped.data());
  Buffer compressed(payload.size());
  const size_t size =
      Compress(codec, grouped.bytes(), compressed.bytes().first(payload.size() - 1));
  if (size == 0 || size * kMostUnpackedTimes < payload.size()) {
    return payload;
  }
  packed->set_codec(codec);
  packed->set_bytes(payload.size());
  return Buffer::CopyOf(compressed.bytes().first(size));
}

StatusOr<Buffer> UnpackPayload(const proto::Packed& packed, Buffer payload) {
  if (packed.codec() == proto::PLAIN && packed.bytes() == 0) {
    return payload;
  }
  if (packed.codec() != proto::LZ4 && packed.codec() != proto::ZSTD) {
    return InvalidArgument("there is no compression {}", static_cast<int>(packed.codec()));
  }
  if (packed.bytes() == 0 || packed.bytes() > kMostUnpackedBytes ||
      packed.bytes() / kMostUnpackedTimes > payload.size()) {
    return InvalidArgument(
        "{} bytes cannot be a payload of {} bytes compressed: at most {} times "
        "as many, and {}, are allowed",
        payload.size(),
        packed.bytes(),
        kMostUnpackedTimes,
        kMostUnpackedBytes);
  }
  Buffer grouped(packed.bytes());
  if (!Decompress(packed.codec(), payload.bytes(), grouped.bytes())) {
    return InvalidArgument("the payload is not {} bytes that were compressed with {}",
                           packed.bytes(),
                           proto::Compression_Name(packed.codec()));
  }
  Buffer plain(packed.bytes());
  UngroupBytes(grouped.bytes(), plain.data());
  return plain;
}

}  // namespace freshet
