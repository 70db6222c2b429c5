#include "common/rpc/frame.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <optional>
#include <random>
#include <string>

#include "common/rpc/frame_reader.h"
#include "tests/common/rpc/wire.h"

namespace freshet::rpc {
namespace {

constexpr FrameLimits kLimits{.max_head_bytes = 1000, .max_body_bytes = 100'000};

std::string Refusal(const std::string& header) {
  const auto bytes = std::as_bytes(std::span(header)).first<kFrameHeaderBytes>();
  const StatusOr<FrameHeader> decoded = DecodeFrameHeader(bytes, kLimits);
  CHECK(decoded.status().code() == absl::StatusCode::kInvalidArgument);
  return MessageOf(decoded.status());
}

// The worked example of docs/formats/rpc.md.
TEST_CASE("a frame header has the bytes that the format's page shows", "[rpc]") {
  const FrameHeader header{.kind = FrameKind::kRequest,
                           .method = Method::kPull,
                           .request_id = 7,
                           .head_bytes = 2,
                           .body_bytes = 3};
  CHECK(HexOf(WireOf(header)) ==
        "46525348 01 01 0200 0700000000000000 02000000 03000000 00000000 8669572f");
  const FrameHeader failure{.kind = FrameKind::kResponse,
                            .method = Method::kPull,
                            .code = absl::StatusCode::kAborted,
                            .request_id = 7,
                            .head_bytes = 11};
  CHECK(HexOf(WireOf(failure)) ==
        "46525348 01 02 0200 0700000000000000 0b000000 00000000 0a000000 55cf4db3");
}

TEST_CASE("a frame header is read as it was written", "[rpc]") {
  const auto code = GENERATE(absl::StatusCode::kOk, absl::StatusCode::kUnauthenticated);
  const FrameHeader header{.kind = FrameKind::kResponse,
                           .method = Method{65535},
                           .code = code,
                           .request_id = UINT64_MAX,
                           .head_bytes = kLimits.max_head_bytes,
                           .body_bytes = code == absl::StatusCode::kOk ? 100'000U : 0U};
  const StatusOr<FrameHeader> decoded = DecodeFrameHeader(EncodeFrameHeader(header), kLimits);
  REQUIRE(decoded.ok());
  CHECK(*decoded == header);
}

TEST_CASE("a header with any bit flipped is refused", "[rpc]") {
  const std::string good = WireOf({.method = Method::kPush, .request_id = 1, .body_bytes = 8});
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    INFO("bit " << bit);
    const std::string refusal = Refusal(bad);
    CHECK(refusal.find(bit < 32 ? "frame magic" : "checksum") != std::string::npos);
  }
}

TEST_CASE("a header is refused by what is wrong with it", "[rpc]") {
  using Catch::Contains;
  const auto with = [](size_t offset, uint8_t value) {
    return SealedWire({.kind = FrameKind::kResponse, .method = Method::kPull}, offset, value);
  };
  CHECK_THAT(Refusal(std::string(32, '\0')), Contains("frame magic 00000000, expected 48535246"));
  CHECK_THAT(Refusal(with(4, 2)), Contains("frame version 2, expected 1"));
  CHECK_THAT(Refusal(with(5, 0)), Contains("frame kind 0, expected 1"));
  CHECK_THAT(Refusal(with(5, 3)), Contains("frame kind 3, expected 1"));
  CHECK_THAT(Refusal(with(24, 17)), Contains("status code 17, expected at most 16"));
  CHECK_THAT(Refusal(WireOf({.code = absl::StatusCode::kAborted})),
             Contains("a request with status code 10, expected 0"));
  CHECK_THAT(
      Refusal(WireOf(
          {.kind = FrameKind::kResponse, .code = absl::StatusCode::kAborted, .body_bytes = 1})),
      Contains("status code 10 with a body of 1 bytes, expected none"));
  CHECK_THAT(Refusal(WireOf({.head_bytes = 1001})),
             Contains("a head of 1001 bytes, the limit is 1000"));
  CHECK_THAT(Refusal(WireOf({.body_bytes = UINT32_MAX})),
             Contains("a body of 4294967295 bytes, the limit is 100000"));
}

// Takes what `wire` holds in pieces of random sizes.
std::vector<Frame> ReadInPieces(const std::string& wire, std::mt19937& random) {
  FrameReader reader(kLimits);
  std::vector<Frame> frames;
  size_t taken = 0;
  while (taken < wire.size()) {
    size_t piece = std::uniform_int_distribution<size_t>(1, 40'000)(random);
    size_t filled = 0;
    for (const std::span<std::byte> space : reader.space()) {
      const size_t bytes = std::min({space.size(), piece - filled, wire.size() - taken});
      std::copy_n(wire.data() + taken, bytes, reinterpret_cast<char*>(space.data()));
      filled += bytes;
      taken += bytes;
    }
    reader.Filled(filled);
    for (auto next = reader.Next(); next.value().has_value(); next = reader.Next()) {
      frames.push_back(*std::move(*next));
    }
  }
  CHECK_FALSE(reader.mid_frame());
  return frames;
}

TEST_CASE("frames come out as they went in, however the bytes arrive", "[rpc]") {
  const uint32_t seed = GENERATE(range(0U, 50U));
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto up_to = [&](size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit)(random);
  };
  std::string wire;
  std::vector<std::pair<FrameHeader, std::string>> expected;
  for (uint64_t id = 0; id < 30; ++id) {
    const size_t head_bytes = up_to(kLimits.max_head_bytes);
    const size_t body_bytes = up_to(1) == 0 ? up_to(100) : up_to(kLimits.max_body_bytes);
    const FrameHeader header{.request_id = id,
                             .head_bytes = static_cast<uint32_t>(head_bytes),
                             .body_bytes = static_cast<uint32_t>(body_bytes)};
    std::string payload(head_bytes + body_bytes, '\0');
    std::ranges::generate(payload, [&] { return static_cast<char>(random()); });
    wire += WireOf(header) + payload;
    expected.emplace_back(header, payload);
  }
  const std::vector<Frame> frames = ReadInPieces(wire, random);
  REQUIRE(frames.size() == expected.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    CHECK(frames[i].header == expected[i].first);
    CHECK(frames[i].message.head + TextOf(frames[i].message.body) == expected[i].second);
  }
}

TEST_CASE("a long head takes memory as it comes", "[rpc]") {
  constexpr uint32_t kHeadBytes = 3'000'000;
  std::string head(kHeadBytes, '\0');
  std::mt19937 random(1);
  std::ranges::generate(head, [&] { return static_cast<char>(random()); });
  const std::string wire = WireOf({.head_bytes = kHeadBytes, .body_bytes = 4}) + head + "body";
  FrameReader reader({.max_head_bytes = kHeadBytes, .max_body_bytes = 4});
  std::optional<Frame> frame;
  for (size_t at = 0; at < wire.size();) {
    size_t filled = 0;
    size_t room = 0;
    for (const std::span<std::byte> space : reader.space()) {
      const size_t bytes = std::min({space.size(), wire.size() - at - filled, 9000 - filled});
      if (bytes > 0) {
        std::memcpy(space.data(), wire.data() + at + filled, bytes);
      }
      filled += bytes;
      room += space.size();
    }
    REQUIRE(room <= std::max<size_t>(at, 100'000) + 20'000);
    reader.Filled(filled);
    at += filled;
    frame = reader.Next().value();
    REQUIRE(frame.has_value() == (at == wire.size()));
  }
  REQUIRE(frame.has_value());
  CHECK(frame->message.head == head);
  CHECK(TextOf(frame->message.body) == "body");
}

TEST_CASE("a reader knows whether it is inside a frame", "[rpc]") {
  const std::string wire = WireOf({.head_bytes = 1}) + "h";
  FrameReader reader(kLimits);
  for (size_t i = 0; i < wire.size(); ++i) {
    CHECK(reader.mid_frame() == (i > 0));
    for (const std::span<std::byte> space : reader.space()) {
      if (!space.empty()) {
        space[0] = static_cast<std::byte>(wire[i]);
        break;
      }
    }
    reader.Filled(1);
    CHECK(reader.Next().value().has_value() == (i + 1 == wire.size()));
  }
  CHECK_FALSE(reader.mid_frame());
}

}  // namespace
}  // namespace freshet::rpc
