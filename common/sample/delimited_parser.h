#pragma once
#include <memory>

#include "common/sample/sample_format.h"

namespace freshet {

// The parser of SampleFormat::Kind::kDelimited; errors as MakeSampleParser.
StatusOr<std::unique_ptr<SampleParser>> MakeDelimitedParser(const SampleFormat& format,
                                                            const FeatureMapper& mapper);

}  // namespace freshet
