#include "common/cluster/packed_payload.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

namespace freshet {
namespace {

// Small gradients, and a few odd bytes behind them.
Buffer Gradients(size_t floats, size_t odd, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, 0.01F);
  Buffer payload(floats * sizeof(float) + odd);
  for (size_t i = 0; i < floats; ++i) {
    payload.as<float>(0, floats)[i] = normal(random);
  }
  for (size_t i = 0; i < odd; ++i) {
    payload.data()[floats * sizeof(float) + i] = static_cast<std::byte>(random());
  }
  return payload;
}

bool Same(const Buffer& a, const Buffer& b) {
  return std::ranges::equal(a.bytes(), b.bytes());
}

TEST_CASE("a packed payload is smaller, and comes back byte for byte", "[packed_payload]") {
  const proto::Compression codec = GENERATE(proto::LZ4, proto::ZSTD);
  const size_t odd = GENERATE(0U, 1U, 3U);
  const Buffer payload = Gradients(20'000, odd, 1);
  proto::Packed packed;
  Buffer body = PackPayload(codec, Buffer::CopyOf(payload.bytes()), &packed);
  CHECK(packed.codec() == codec);
  CHECK(packed.bytes() == payload.size());
  CHECK(body.size() < payload.size() * 95 / 100);
  const StatusOr<Buffer> back = UnpackPayload(packed, std::move(body));
  REQUIRE(back.ok());
  CHECK(Same(*back, payload));
}

TEST_CASE("what does not become smaller, or too small, goes as it is", "[packed_payload]") {
  const proto::Compression codec = GENERATE(proto::PLAIN, proto::LZ4, proto::ZSTD);
  std::mt19937 random(3);
  const size_t size = GENERATE(0U, 1U, 5U, 4096U);
  Buffer payload(size);
  std::ranges::generate(payload.bytes(), [&] { return static_cast<std::byte>(random()); });
  proto::Packed packed;
  CHECK(Same(PackPayload(codec, Buffer::CopyOf(payload.bytes()), &packed), payload));
  CHECK(packed.codec() == proto::PLAIN);
  CHECK(packed.bytes() == 0);
  const StatusOr<Buffer> back = UnpackPayload(packed, Buffer::CopyOf(payload.bytes()));
  REQUIRE(back.ok());
  CHECK(Same(*back, payload));

  Buffer zeros(1U << 20U);
  std::ranges::fill(zeros.bytes(), std::byte{0});
  Buffer body = PackPayload(codec, Buffer::CopyOf(zeros.bytes()), &packed);
  const StatusOr<Buffer> zeros_back = UnpackPayload(packed, std::move(body));
  REQUIRE(zeros_back.ok());
  CHECK(Same(*zeros_back, zeros));
}

TEST_CASE("a payload that is not what it says is refused", "[packed_payload]") {
  const proto::Compression codec = GENERATE(proto::LZ4, proto::ZSTD);
  const Buffer payload = Gradients(20'000, 0, 2);
  proto::Packed packed;
  const Buffer body = PackPayload(codec, Buffer::CopyOf(payload.bytes()), &packed);
  REQUIRE(packed.codec() == codec);
  const auto unpack = [&](const proto::Packed& says, std::span<const std::byte> bytes) {
    return UnpackPayload(says, Buffer::CopyOf(bytes));
  };
  SECTION("another size") {
    for (const uint64_t bytes : {uint64_t{0},
                                 uint64_t{1},
                                 packed.bytes() - 1,
                                 packed.bytes() + 1,
                                 kMostUnpackedBytes,
                                 kMostUnpackedBytes + 1,
                                 UINT64_MAX}) {
      proto::Packed wrong = packed;
      wrong.set_bytes(bytes);
      CHECK(absl::IsInvalidArgument(unpack(wrong, body.bytes()).status()));
    }
  }
  SECTION("a codec that is none") {
    proto::Packed wrong = packed;
    wrong.set_codec(static_cast<proto::Compression>(7));
    CHECK(absl::IsInvalidArgument(unpack(wrong, body.bytes()).status()));
    wrong.set_codec(proto::PLAIN);
    CHECK(absl::IsInvalidArgument(unpack(wrong, body.bytes()).status()));
  }
  SECTION("cut off, or empty") {
    CHECK(absl::IsInvalidArgument(unpack(packed, body.bytes().first(body.size() / 2)).status()));
    CHECK(absl::IsInvalidArgument(unpack(packed, {}).status()));
  }
  SECTION("damaged in any way: an error, or as many bytes as it says") {
    std::mt19937 random(5);
    for (int i = 0; i < 2000; ++i) {
      Buffer damaged = Buffer::CopyOf(body.bytes());
      for (int flips = 0; flips < 3; ++flips) {
        damaged.data()[random() % damaged.size()] ^= static_cast<std::byte>(1U << random() % 8);
      }
      const StatusOr<Buffer> got = UnpackPayload(packed, std::move(damaged));
      CHECK((absl::IsInvalidArgument(got.status()) || (got.ok() && got->size() == packed.bytes())));
    }
  }
}

}  // namespace
}  // namespace freshet
