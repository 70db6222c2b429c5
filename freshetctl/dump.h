#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

namespace freshet::freshetctl {

struct DumpOptions {
  std::optional<uint64_t> version;  // none: the newest
  std::string variable;             // empty: all, each after a line "# variable <name>"
  std::string output;               // empty: stdout
};

// The state of a version, deltas merged, as text that is equal if and only if the states are: to
// compare models. Of an embedding variable a line a row, by key:
//   <key, 16 hex digits> <values...> <states...> <frequency> <last update>
// and behind that, if the version has it (docs/formats/part-file.md):
//   life <shows> <clicks> <last step> <score day> <slot>
//   served <0 or 1>
// then what else a feature policy keeps, by key and by block:
//   candidate <key> <frequency> <last update> [life ...]
//   filter <block> <its 64 counters, 2 hex digits each>
//   clock <step> <event time>
// of a dense one a line an element, values and then states:
//   value <index> <value>
//   state <index> <value>
// Floats are hexadecimal (C's %a), which is exact; NaN has its bits behind it.
Outcome Dump(const Context& context, const std::string& log_directory, const DumpOptions& options);

}  // namespace freshet::freshetctl
