#pragma once
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "proto/model.pb.h"

// How the pieces of a model declare their dense variables, and find them again. A variable is
// called PIECE/WHAT, as deep/0/weights.
namespace freshet {

// What dense variables have in common.
struct DenseSettings {
  uint64_t seed = 1;
  proto::Optimizer optimizer;
};

// Declares a variable of one of these starts:
void DeclareZeros(const std::string& name,
                  std::initializer_list<uint32_t> shape,
                  const DenseSettings& settings,
                  proto::ModelSpec* spec);
void DeclareOnes(const std::string& name,
                 std::initializer_list<uint32_t> shape,
                 const DenseSettings& settings,
                 proto::ModelSpec* spec);
// Uniform within sqrt(6 / (inputs + outputs)): Glorot and Bengio, AISTATS 2010.
void DeclareGlorot(const std::string& name,
                   uint32_t inputs,
                   uint32_t outputs,
                   const DenseSettings& settings,
                   proto::ModelSpec* spec);

// The place of a variable that was declared: an index into Parameters::dense. The model has it.
size_t FindDense(const proto::ModelSpec& spec, const std::string& name);

}  // namespace freshet
