#pragma once
#include <string>
#include <vector>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

// Commands on the rows of a live cluster. A key is a number, decimal or 0x..., or slot=value, as a
// sample would have it.
namespace freshet::freshetctl {

struct ExplainOptions {
  std::string variable;
  std::string key;
  std::string slot;  // that a key given as a number comes from; empty: no matter
};

// Where the key is, what is known of it, and what the rules make of it.
Outcome Explain(const Context& context, const Target& target, const ExplainOptions& options);

struct ShrinkOptions {
  std::string variable;  // empty: all
  bool dry_run = false;
};

// Takes away all rows that a rule of eviction evicts now; says how many by each rule, and which
// version is the first without them. A dry run only counts.
Outcome Shrink(const Context& context, const Target& target, const ShrinkOptions& options);

struct ForgetOptions {
  std::string variable;
  std::vector<std::string> keys;
  std::string keys_file;  // "-": stdin; empty: none
};

// Takes away all that is known of the keys; says which version is the first without them.
Outcome Forget(const Context& context, const Target& target, const ForgetOptions& options);

}  // namespace freshet::freshetctl
