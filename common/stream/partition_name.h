#pragma once
#include <string>

namespace freshet {

// Whether a file of a stream's directory is one of its partitions. Names that begin with "." or "_"
// never are.
inline bool IsPartitionName(const std::string& name, const std::string& suffix) {
  return !name.empty() && name[0] != '.' && name[0] != '_' && name.find('/') == std::string::npos &&
         name.ends_with(suffix);
}

}  // namespace freshet
