#include "common/sample/sample_format.h"

#include "common/sample/delimited_parser.h"
#include "common/sample/json_parser.h"
#include "common/sample/label.h"
#include "common/sample/libsvm_parser.h"
#include "common/sample/number.h"
#include "common/sample/protobuf_parser.h"

namespace freshet {

StatusOr<float> LabelRule::Read(std::string_view text) const {
  double number = 0.0;
  const bool is_number = ParseNumber(text, &number);
  if (positive_at_least.has_value()) {
    if (!is_number) {
      return InvalidArgument("the label must be a number, got {}", Excerpt(text));
    }
    return number >= *positive_at_least ? 1.0F : 0.0F;
  }
  if (is_number && minus_one && number == -1.0) {
    return 0.0F;
  }
  if (!is_number || (number != 0.0 && number != 1.0)) {
    return InvalidArgument(
        "the label must be {}0 or 1, got {}", minus_one ? "-1, " : "", Excerpt(text));
  }
  return static_cast<float>(number);
}

StatusOr<std::unique_ptr<SampleParser>> MakeSampleParser(const SampleFormat& format,
                                                         const FeatureMapper& mapper) {
  switch (format.kind) {
    case SampleFormat::Kind::kDelimited:
      return MakeDelimitedParser(format, mapper);
    case SampleFormat::Kind::kLibsvm:
    case SampleFormat::Kind::kLibffm:
      return MakeLibsvmParser(format, mapper);
    case SampleFormat::Kind::kJson:
      return MakeJsonParser(format, mapper);
    case SampleFormat::Kind::kProtobuf:
      return MakeProtobufParser(format, mapper);
  }
  return InvalidArgument("unknown sample format {}", static_cast<int>(format.kind));
}

}  // namespace freshet
