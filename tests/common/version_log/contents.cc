#include "tests/common/version_log/contents.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "common/half.h"
#include "common/version_log/serving_values.h"

namespace freshet::test {
namespace {

template <typename T>
std::vector<T> RandomVector(std::mt19937_64& random, size_t size) {
  std::vector<T> elements(size);
  for (T& element : elements) {
    const std::array<uint64_t, 2> bits = {random(), random()};
    static_assert(sizeof(T) <= sizeof(bits));
    std::memcpy(static_cast<void*>(&element), bits.data(), sizeof(T));
  }
  return elements;
}

// Of types without gaps between their members.
template <typename T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

bool SameCandidates(const CandidateRows& a, const CandidateRows& b) {
  return a.keys == b.keys && a.frequencies == b.frequencies && a.last_updates == b.last_updates &&
         a.tombstones == b.tombstones && SameBits(a.lives, b.lives);
}

bool SameRows(const EmbeddingRows& a, const EmbeddingRows& b) {
  return a.variable == b.variable && a.value_type == b.value_type && a.dim == b.dim &&
         a.state_dim == b.state_dim && a.keys == b.keys && a.tombstones == b.tombstones &&
         a.frequencies == b.frequencies && a.last_updates == b.last_updates &&
         SameBits(a.values, b.values) && SameBits(a.states, b.states) &&
         SameBits(a.lives, b.lives) && a.served == b.served &&
         SameCandidates(a.candidates, b.candidates) && a.filter.blocks == b.filter.blocks &&
         a.filter.counters == b.filter.counters && a.clock == b.clock;
}

// What variables with a feature policy have, some of it.
void AddRandomPolicyColumns(std::mt19937_64& random, EmbeddingRows* rows) {
  const auto coin = [&] { return random() % 2 == 0; };
  if (coin()) {
    rows->lives = RandomVector<FeatureLife>(random, rows->keys.size());
  }
  if (coin()) {
    rows->served.resize(rows->keys.size());
    std::generate(rows->served.begin(), rows->served.end(), [&] { return coin() ? 1 : 0; });
  }
  if (coin()) {
    CandidateRows& candidates = rows->candidates;
    const size_t count = random() % 20;
    candidates.keys = RandomVector<Key>(random, count);
    candidates.frequencies = RandomVector<uint32_t>(random, count);
    candidates.last_updates = RandomVector<uint32_t>(random, count);
    candidates.tombstones = RandomVector<Key>(random, random() % 5);
    if (coin()) {
      candidates.lives = RandomVector<FeatureLife>(random, count);
    }
  }
  if (coin()) {
    const size_t blocks = random() % 5;
    rows->filter.blocks = RandomVector<uint64_t>(random, blocks);
    rows->filter.counters = RandomVector<uint8_t>(random, blocks * FilterBlocks::kBlockBytes);
  }
  if (coin()) {
    rows->clock = {.step = random(), .event_time_s = random()};
  }
}

// Of one of the three types.
void FillRandomValues(std::mt19937_64& random, EmbeddingRows* rows) {
  const size_t count = rows->keys.size() * rows->dim;
  rows->value_type = static_cast<proto::ValueType>(random() % 3);
  if (rows->value_type == proto::F32) {
    rows->values = RandomVector<float>(random, count);
    return;
  }
  const auto halves = RandomVector<uint16_t>(random, count);
  rows->values.resize(count);
  if (rows->value_type == proto::F16) {
    FromF16(halves, rows->values);
  } else {
    FromBf16(halves, rows->values);
  }
}

bool SameDense(const DenseTensor& a, const DenseTensor& b) {
  return a.variable == b.variable && a.shape == b.shape && SameBits(a.values, b.values) &&
         SameBits(a.states, b.states);
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "freshet-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw std::runtime_error("mkdtemp " + pattern);
  }
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

PartContents SmallContents() {
  EmbeddingRows factors;
  factors.variable = "factors";
  factors.dim = 3;
  factors.state_dim = 1;
  factors.keys = {1, 0xffffffffffffffffU, 0x0123456789abcdefU};
  factors.values = {0.5F, -1.25F, 3e-8F, 0.0F, -0.0F, 1e30F, 7.0F, 8.0F, 9.0F};
  factors.states = {0.1F, 0.2F, 0.3F};
  factors.frequencies = {1, 2, 4000000000U};
  factors.last_updates = {1700000000, 1700000001, 1700000002};
  factors.tombstones = {42, 43};
  EmbeddingRows linear;
  linear.variable = "linear/ad \"x\"";  // any UTF-8 may be a name
  linear.dim = 1;
  linear.keys = {77};
  linear.values = {-2.5F};
  linear.frequencies = {9};
  linear.last_updates = {1700000003};
  DenseTensor bias;
  bias.variable = "bias";
  bias.shape = {2, 2};
  bias.values = {1.0F, 2.0F, 3.0F, 4.0F};
  bias.states = {0.25F, 0.5F, 0.75F, 1.0F};
  return {.embeddings = {std::move(factors), std::move(linear)}, .dense = {std::move(bias)}};
}

PartContents PolicyContents() {
  EmbeddingRows half;
  half.variable = "half";
  half.value_type = proto::F16;
  half.dim = 1;
  half.state_dim = 2;
  half.keys = {5, 6, 7};
  half.values = {0.5F, -2.0F, 0x1p-24F};
  half.states = {0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.6F};
  half.frequencies = {1, 2, 3};
  half.last_updates = {1700000000, 1700000001, 1700000002};
  half.tombstones = {8};
  half.lives = {
      {.shows = 1.5F, .clicks = 0.5F, .last_step = 10, .score_day = 19675, .slot = 2},
      {.shows = 2.5F, .clicks = 0.0F, .last_step = 4294967295U, .score_day = 65535, .slot = 0},
      {}};
  half.served = {1, 0, 1};
  half.candidates = {
      .keys = {11, 12},
      .frequencies = {1, 1},
      .last_updates = {1700000003, 1700000004},
      .lives = {{.shows = 1.0F, .clicks = 0.0F, .last_step = 9, .score_day = 19675, .slot = 1}, {}},
      .tombstones = {6}};
  half.filter.blocks = {3};
  for (size_t i = 0; i < FilterBlocks::kBlockBytes; ++i) {
    half.filter.counters.push_back(static_cast<uint8_t>(i));
  }
  half.clock = {.step = 12, .event_time_s = 1700000004};
  EmbeddingRows brain;
  brain.variable = "brain";
  brain.value_type = proto::BF16;
  brain.dim = 3;
  brain.keys = {21};
  brain.values = {1.0F, -0x1.fep100F, 0x1p-130F};
  brain.frequencies = {9};
  brain.last_updates = {1700000005};
  DenseTensor bias;
  bias.variable = "bias";
  bias.shape = {1};
  bias.values = {1.0F};
  bias.states = {0.25F};
  return {.embeddings = {std::move(half), std::move(brain)}, .dense = {std::move(bias)}};
}

PartContents RandomContents(std::mt19937_64& random) {
  PartContents contents;
  for (uint64_t variable = random() % 4; variable > 0; --variable) {
    EmbeddingRows rows;
    rows.variable = "v" + std::to_string(variable);
    rows.dim = static_cast<uint32_t>(1 + random() % 9);
    rows.state_dim = static_cast<uint32_t>(random() % 4);
    const size_t count = random() % 3 == 0 ? 0 : random() % 50;
    rows.keys = RandomVector<Key>(random, count);
    FillRandomValues(random, &rows);
    rows.states = RandomVector<float>(random, count * rows.state_dim);
    rows.frequencies = RandomVector<uint32_t>(random, count);
    rows.last_updates = RandomVector<uint32_t>(random, count);
    rows.tombstones = RandomVector<Key>(random, random() % 5);
    rows.serving_values = std::array{proto::AS_STORED, proto::HALVES, proto::INT8}[random() % 3];
    if (random() % 2 == 0) {
      AddRandomPolicyColumns(random, &rows);
    }
    contents.embeddings.push_back(std::move(rows));
  }
  for (uint64_t variable = random() % 4; variable > 0; --variable) {
    DenseTensor dense;
    dense.variable = "d" + std::to_string(variable);
    size_t count = 1;
    for (uint64_t rank = random() % 3; rank > 0; --rank) {
      dense.shape.push_back(static_cast<uint32_t>(random() % 5));
      count *= dense.shape.back();
    }
    dense.values = RandomVector<float>(random, count);
    dense.states = RandomVector<float>(random, count * (random() % 3));
    contents.dense.push_back(std::move(dense));
  }
  return contents;
}

bool SameContents(const PartContents& a, const PartContents& b) {
  return std::equal(a.embeddings.begin(),
                    a.embeddings.end(),
                    b.embeddings.begin(),
                    b.embeddings.end(),
                    SameRows) &&
         std::equal(a.dense.begin(), a.dense.end(), b.dense.begin(), b.dense.end(), SameDense);
}

// The values that are written for serving, if there are.
void RoundForServing(EmbeddingRows* rows) {
  if (rows->serving_values == proto::INT8) {
    rows->values = DequantizeRows(QuantizeRows(rows->values, rows->dim), rows->dim);
    rows->value_type = proto::F32;
  } else if (rows->serving_values == proto::HALVES && rows->value_type == proto::F32) {
    FromF16(ServingHalves(std::vector<float>(rows->values)), rows->values);
  }
}

PartContents ServingView(PartContents contents) {
  for (EmbeddingRows& rows : contents.embeddings) {
    RoundForServing(&rows);
    rows.states.clear();
    rows.frequencies.clear();
    rows.last_updates.clear();
    rows.lives.clear();
    rows.candidates = {};
    rows.filter = {};
    rows.clock = {};
  }
  for (DenseTensor& dense : contents.dense) {
    dense.states.clear();
  }
  return contents;
}

std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace freshet::test
