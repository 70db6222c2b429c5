#pragma once

namespace freshet {

// A bug on purpose, to prove that the tests would find one like it: whether the process was started
// with FRESHET_MUTANT=<name>. Only in a build with the option FRESHET_MUTANTS (the preset mutants;
// scripts/torture --mutants); in every other one it is a constant, and the bug is not there.
// Thread-safety: any thread.
#ifdef FRESHET_MUTANTS
bool Mutant(const char* name);
#else
constexpr bool Mutant(const char* /*name*/) {
  return false;
}
#endif

}  // namespace freshet
