#pragma once
#include <memory>

#include "common/sample/sample_format.h"

namespace freshet {

// The parser of SampleFormat::Kind::kLibsvm; errors as MakeSampleParser.
StatusOr<std::unique_ptr<SampleParser>> MakeLibsvmParser(const SampleFormat& format,
                                                         const FeatureMapper& mapper);

}  // namespace freshet
