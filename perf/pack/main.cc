// What compression of payloads (training.message_compress) gains and costs, beside memcpy of the
// same bytes: pushes of 4,096 random keys with 16 gradients each, normal with deviation 0.01, as
// float32 and bfloat16. Prints a flat JSON object:
//
//   CODEC_TYPE_size        bytes packed over bytes plain
//   CODEC_TYPE_mb_per_s    plain bytes packed and unpacked again a second, on one thread
//   CODEC_TYPE_vs_memcpy   that over what memcpy does, median of rounds that take turns
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "common/check.h"
#include "common/cluster/packed_payload.h"
#include "common/cluster/wire_floats.h"
#include "perf/guarded_main.h"

namespace freshet {
namespace {

constexpr size_t kKeys = 4096;
constexpr size_t kDim = 16;
constexpr int kRounds = 9;
constexpr int kTimes = 100;

Buffer Push(proto::ValueType type) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0.0F, 0.01F);
  std::vector<float> gradients(kKeys * kDim);
  std::ranges::generate(gradients, [&] { return normal(random); });
  Buffer push(kKeys * sizeof(uint64_t) + WireFloatBytes(gradients.size(), 0, type));
  std::ranges::generate(push.as<uint64_t>(0, kKeys), random);
  EncodeFloats(gradients, {}, type, push.data() + kKeys * sizeof(uint64_t));
  return push;
}

template <typename Work>
double SecondsOf(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kTimes; ++i) {
    work();
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / kTimes;
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void Measure(const std::string& name,
             proto::Compression codec,
             const Buffer& push,
             std::string* json) {
  std::vector<double> seconds;
  std::vector<double> ratios;
  size_t packed_bytes = 0;
  for (int round = 0; round < kRounds; ++round) {
    const double copied = SecondsOf([&] {
      const Buffer copy = Buffer::CopyOf(push.bytes());
      FRESHET_CHECK(copy.data()[0] == push.data()[0]);
    });
    seconds.push_back(SecondsOf([&] {
      proto::Packed packed;
      Buffer body = PackPayload(codec, Buffer::CopyOf(push.bytes()), &packed);
      packed_bytes = body.size();
      FRESHET_CHECK(UnpackPayload(packed, std::move(body))->size() == push.size());
    }));
    ratios.push_back(copied / seconds.back());
  }
  const auto bytes = static_cast<double>(push.size());
  *json += fmt::format("{}\"{}_size\": {:.3f}, \"{}_mb_per_s\": {:.0f}, \"{}_vs_memcpy\": {:.4f}",
                       json->empty() ? "" : ", ",
                       name,
                       static_cast<double>(packed_bytes) / bytes,
                       name,
                       bytes / Median(seconds) / 1e6,
                       name,
                       Median(ratios));
}

int Run(int /*argc*/, char** /*argv*/) {
  std::string json;
  for (const auto& [type_name, type] : {std::pair{"f32", proto::F32}, {"bf16", proto::BF16}}) {
    const Buffer push = Push(type);
    Measure(fmt::format("lz4_{}", type_name), proto::LZ4, push, &json);
    Measure(fmt::format("zstd_{}", type_name), proto::ZSTD, push, &json);
  }
  fmt::print("{{{}}}\n", json);
  return 0;
}

}  // namespace
}  // namespace freshet

int main(int argc, char** argv) {
  return freshet::perf::GuardedMain("freshet_bench_pack", freshet::Run, argc, argv);
}
