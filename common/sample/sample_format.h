#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/sample/feature_mapper.h"
#include "common/sample/sample.h"
#include "common/status.h"

namespace freshet {

// How a record of a stream is read.
struct SampleFormat {
  enum class Kind {
    kDelimited,  // columns between delimiters (CSV quoting with "quoted")
    kLibsvm,     // label index:value index:value ...
    kLibffm,     // label field:index:value field:index:value ...
    kJson,       // an object a line
    kProtobuf,   // a proto::Sample; with an event_time_column the time must be there
  };
  enum class TimeUnit { kSeconds, kMilliseconds };

  Kind kind = Kind::kDelimited;
  std::string delimiter = ",";         // one or more characters
  bool quoted = false;                 // a column may stand in "...", with "" for a quote
  std::vector<std::string> columns{};  // names, in order
  std::string label_column{};
  // Set: the label is 1 if the column's number is at least this. Unset: it must be 0 or 1
  // (libsvm also -1).
  std::optional<double> positive_at_least{};
  std::string weight_column{};      // empty: every weight is 1
  std::string event_time_column{};  // empty: none
  TimeUnit time_unit = TimeUnit::kSeconds;
};

// Immutable after construction; one object may serve several threads.
class SampleParser {
 public:
  virtual ~SampleParser() = default;

  // Overwrites *sample. InvalidArgument says what is wrong with the line, and in which column;
  // *sample is unspecified then.
  virtual Status Parse(std::string_view line, Sample* sample) const = 0;
};

// InvalidArgument if a slot, the label, the weight or the time names a column that is not there.
// Libsvm has a single slot, the model's first; in libffm a field belongs to the slot whose column
// it is named like, and one that no slot reads is left out. In both values multiply.
StatusOr<std::unique_ptr<SampleParser>> MakeSampleParser(const SampleFormat& format,
                                                         const FeatureMapper& mapper);

}  // namespace freshet
