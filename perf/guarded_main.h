#pragma once
#include <cstdio>
#include <exception>

namespace freshet::perf {

// What a benchmark's main returns: an exception ends the program with a line on stderr, and 1.
inline int GuardedMain(const char* program, int (*run)(int, char**), int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return 1;
  }
}

}  // namespace freshet::perf
