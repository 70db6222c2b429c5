#pragma once
#include <memory>

#include "common/sample/sample_format.h"

namespace freshet {

// MakeSampleParser of Kind::kProtobuf: a proto::Sample (docs/formats/sample.md). A slot reads the
// values of the column that it names; columns that no slot reads are left out.
StatusOr<std::unique_ptr<SampleParser>> MakeProtobufParser(const SampleFormat& format,
                                                           const FeatureMapper& mapper);

}  // namespace freshet
