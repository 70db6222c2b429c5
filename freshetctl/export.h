#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

namespace freshet::freshetctl {

enum class ExportFormat { kCsv, kNpy, kText };

// "csv", "npy", "text"; InvalidArgument lists them.
StatusOr<ExportFormat> ParseExportFormat(const std::string& name);

struct ExportOptions {
  std::string variable;
  std::string output;
  ExportFormat format = ExportFormat::kCsv;
  std::optional<uint64_t> version;  // none: the newest
  bool state = false;               // optimizer state too
  bool metadata = false;            // what is known of a feature too
};

// Writes the rows of an embedding variable as a version has them, deltas merged, by key, for other
// programs. Reads the log alone: training does not notice. The output is whole or not there.
//
//   csv   a line of names, then a line a row:
//           key,value_0,...,state_0,...,frequency,last_update[,shows,...,slot][,served]
//   npy   a folder with a numpy array a column: keys.npy (uint64), values.npy (float32 [rows,
//   dim]),
//         states.npy, frequency.npy, last_update.npy, ...
//   text  what word2vec writes: "<rows> <dim>", then a line a row: "<key> <values...>"
//
// Keys are decimal, floats as short as they are exact. Metadata that no row of the version has (as
// docs/features.md tells) is left out.
Outcome Export(const Context& context,
               const std::string& log_directory,
               const ExportOptions& options);

}  // namespace freshet::freshetctl
