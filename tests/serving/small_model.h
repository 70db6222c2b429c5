#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/key.h"
#include "proto/model.pb.h"

// A model as small as a test can follow: context fields userId and hour, item fields movieId and
// genres.
namespace freshet::serving::test {

inline constexpr uint32_t kFactors = 3;

// Of any kind; one with a perceptron has a hidden layer, with batch normalization.
proto::ModelSpec SmallModel(const std::string& kind = "fm");

Key KeyOf(const std::string& slot, const std::string& value);

using Rows = std::map<Key, std::vector<float>>;

// A row for each of some users, movies and genres, by a seed; floats between -1 and 1.
Rows RandomRows(uint32_t seed, uint32_t dim = 1 + kFactors);

// Pairs of slot and value that are one sample's features.
using RawFeatures = std::vector<std::pair<std::string, std::string>>;

// The logit by way of the worker's arithmetic (Model::Forward), for a model of SmallModel's.
float ForwardLogit(const proto::ModelSpec& model,
                   const Rows& rows,
                   float bias,
                   const RawFeatures& features);

// The catalogue's text: movies "1" to "30", titles, and genres "g0" to "g4" in twos.
std::string CatalogueText();
// The features of a movie of it.
RawFeatures MovieFeatures(int movie);

}  // namespace freshet::serving::test
