#include "serving/recall_index.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

namespace freshet::serving {
namespace {

struct Items {
  std::vector<float> biases;
  std::vector<std::vector<float>> vectors;
};

std::vector<float> RandomVector(std::mt19937& random, uint32_t dim) {
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  std::vector<float> vector(dim);
  std::generate(vector.begin(), vector.end(), [&] { return uniform(random); });
  return vector;
}

// Sorts all items by a score computed in double.
std::vector<uint32_t> BruteForce(const Items& items,
                                 const std::vector<float>& query,
                                 const std::vector<uint32_t>& excluded) {
  std::vector<std::pair<double, uint32_t>> scored;
  for (uint32_t i = 0; i < items.biases.size(); ++i) {
    double score = items.biases[i];
    for (size_t d = 0; d < query.size(); ++d) {
      score += static_cast<double>(query[d]) * items.vectors[i][d];
    }
    if (!std::binary_search(excluded.begin(), excluded.end(), i)) {
      scored.emplace_back(-score, i);
    }
  }
  std::sort(scored.begin(), scored.end());
  std::vector<uint32_t> order;
  for (const auto& [score, item] : scored) {
    order.push_back(item);
  }
  return order;
}

}  // namespace

TEST_CASE("a search finds what sorting all items finds", "[serving]") {
  const uint32_t seed = 5;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (const uint32_t count : {1U, 15U, 16U, 17U, 500U}) {
    for (const uint32_t dim : {0U, 1U, 8U, 13U}) {
      Items items;
      RecallIndex index(count, dim);
      for (uint32_t i = 0; i < count; ++i) {
        items.biases.push_back(RandomVector(random, 1)[0]);
        items.vectors.push_back(RandomVector(random, dim));
        index.Set(i, items.biases[i], items.vectors[i]);
      }
      const std::vector<float> query = RandomVector(random, dim);
      const std::vector<uint32_t> excluded = {0, count / 2};
      const std::vector<uint32_t> expected = BruteForce(items, query, excluded);
      for (const size_t k : {size_t{1}, size_t{10}, size_t{1000}}) {
        const std::vector<Hit> hits = index.Search(query, k, excluded);
        REQUIRE(hits.size() == std::min(k, expected.size()));
        for (size_t i = 0; i < hits.size(); ++i) {
          REQUIRE(hits[i].item == expected[i]);
          REQUIRE(hits[i].score == Approx(index.Score(hits[i].item, query)).margin(1e-5));
        }
      }
    }
  }
}

TEST_CASE("items of equal score come in their order", "[serving]") {
  RecallIndex index(100, 2);
  for (uint32_t i = 0; i < 100; ++i) {
    index.Set(i, i % 2 == 0 ? 1.0F : 0.0F, std::vector<float>{0.0F, 0.0F});
  }
  const std::vector<Hit> hits = index.Search(std::vector<float>{1.0F, 1.0F}, 60, {});
  REQUIRE(hits.size() == 60);
  for (uint32_t i = 0; i < 60; ++i) {
    CHECK(hits[i].item == (i < 50 ? 2 * i : 2 * (i - 50) + 1));
  }
}

TEST_CASE("an item whose score is no number is not found", "[serving]") {
  RecallIndex index(3, 1);
  index.Set(0, std::numeric_limits<float>::quiet_NaN(), std::vector<float>{0.0F});
  index.Set(1, -std::numeric_limits<float>::infinity(), std::vector<float>{0.0F});
  index.Set(2, 1.0F, std::vector<float>{0.0F});
  const std::vector<Hit> hits = index.Search(std::vector<float>{1.0F}, 3, {});
  REQUIRE(hits.size() == 2);
  CHECK(hits[0].item == 2);
  CHECK(hits[1].item == 1);
}

TEST_CASE("an index of nothing finds nothing", "[serving]") {
  CHECK(RecallIndex().Search({}, 10, {}).empty());
  CHECK(RecallIndex(0, 4).Search(std::vector<float>(4), 10, {}).empty());
}

}  // namespace freshet::serving
