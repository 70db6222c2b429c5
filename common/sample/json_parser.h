#pragma once
#include <memory>

#include "common/sample/sample_format.h"

namespace freshet {

// MakeSampleParser of Kind::kJson: an object a line. A slot, the label, the weight and the time
// each read the member of their column's name; dots lead into objects. Text, numbers (as they are
// written), true and false are values; an array holds several, and null or no member at all none.
StatusOr<std::unique_ptr<SampleParser>> MakeJsonParser(const SampleFormat& format,
                                                       const FeatureMapper& mapper);

}  // namespace freshet
