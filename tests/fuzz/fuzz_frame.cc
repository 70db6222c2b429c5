#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "common/check.h"
#include "common/rpc/frame_reader.h"

// An input is a seed for the sizes in which the bytes arrive (one byte), then the bytes of a
// stream. Frames that the reader takes must, put together again, be the bytes it took; and however
// the bytes arrive, it must take the same.
namespace freshet::rpc {
namespace {

constexpr FrameLimits kLimits{.max_head_bytes = 1U << 16U, .max_body_bytes = 1U << 20U};

struct Outcome {
  std::string taken;
  std::string error;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

void Append(std::span<const std::byte> bytes, std::string& text) {
  text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// Moves at most `limit` bytes from the stream into the reader.
void Arrive(FrameReader& reader, size_t limit, std::span<const std::byte>& stream) {
  size_t filled = 0;
  for (const std::span<std::byte> space : reader.space()) {
    const size_t bytes = std::min({space.size(), stream.size(), limit - filled});
    if (bytes > 0) {
      std::memcpy(space.data(), stream.data(), bytes);
      stream = stream.subspan(bytes);
      filled += bytes;
    }
  }
  FRESHET_CHECK(filled > 0);
  reader.Filled(filled);
}

Outcome ReadAll(std::span<const std::byte> stream, uint32_t seed) {
  FrameReader reader(kLimits);
  Outcome outcome;
  while (!stream.empty()) {
    seed = seed * 1664525U + 1013904223U;
    const size_t limit = seed % 4 == 0 ? stream.size() : 1 + (seed >> 8U) % 97;
    Arrive(reader, limit, stream);
    while (true) {
      const StatusOr<std::optional<Frame>> frame = reader.Next();
      if (!frame.ok()) {
        outcome.error = MessageOf(frame.status());
        return outcome;
      }
      if (!frame->has_value()) {
        break;
      }
      Append(EncodeFrameHeader((*frame)->header), outcome.taken);
      outcome.taken += (*frame)->message.head;
      Append((*frame)->message.body.bytes(), outcome.taken);
    }
  }
  return outcome;
}

void Check(std::span<const std::byte> input) {
  if (input.empty()) {
    return;
  }
  const std::span<const std::byte> stream = input.subspan(1);
  const Outcome outcome = ReadAll(stream, static_cast<uint32_t>(input[0]));
  FRESHET_CHECK(outcome.taken.size() <= stream.size());
  FRESHET_CHECK(std::memcmp(outcome.taken.data(), stream.data(), outcome.taken.size()) == 0);
  FRESHET_CHECK(outcome == ReadAll(stream, ~static_cast<uint32_t>(input[0])));
}

}  // namespace
}  // namespace freshet::rpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::rpc::Check(std::as_bytes(std::span(data, size)));
  return 0;
}
