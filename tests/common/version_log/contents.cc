#include "tests/common/version_log/contents.h"

#include <unistd.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace freshet::test {
namespace {

template <typename T>
std::vector<T> RandomVector(std::mt19937_64& random, size_t size) {
  std::vector<T> elements(size);
  for (T& element : elements) {
    const uint64_t bits = random();
    std::memcpy(&element, &bits, sizeof(T));
  }
  return elements;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

bool SameRows(const EmbeddingRows& a, const EmbeddingRows& b) {
  return a.variable == b.variable && a.dim == b.dim && a.state_dim == b.state_dim &&
         a.keys == b.keys && a.tombstones == b.tombstones && a.frequencies == b.frequencies &&
         a.last_updates == b.last_updates && SameBits(a.values, b.values) &&
         SameBits(a.states, b.states);
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

PartContents RandomContents(std::mt19937_64& random) {
  PartContents contents;
  for (uint64_t variable = random() % 4; variable > 0; --variable) {
    EmbeddingRows rows;
    rows.variable = "v" + std::to_string(variable);
    rows.dim = static_cast<uint32_t>(1 + random() % 9);
    rows.state_dim = static_cast<uint32_t>(random() % 4);
    const size_t count = random() % 3 == 0 ? 0 : random() % 50;
    rows.keys = RandomVector<Key>(random, count);
    rows.values = RandomVector<float>(random, count * rows.dim);
    rows.states = RandomVector<float>(random, count * rows.state_dim);
    rows.frequencies = RandomVector<uint32_t>(random, count);
    rows.last_updates = RandomVector<uint32_t>(random, count);
    rows.tombstones = RandomVector<Key>(random, random() % 5);
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

PartContents ServingView(PartContents contents) {
  for (EmbeddingRows& rows : contents.embeddings) {
    rows.states.clear();
    rows.frequencies.clear();
    rows.last_updates.clear();
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
