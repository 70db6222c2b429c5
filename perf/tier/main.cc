// What perf/tier/run starts, a process for each contestant:
//
//   freshet_bench_tier --rows N --dim D [--dram-bytes N --directory PATH]
//       makes the rows, prints "ready", then answers each line of stdin:
//       run SEED BATCHES AHEAD   seconds, Zipf draws, keys
//       state                    rows, rows on disk, bytes in memory, resident bytes, lookups on
//                                disk, hits of these, rows brought down
//       checksum                 of all rows
#include <CLI/CLI.hpp>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <string>

#include "perf/guarded_main.h"
#include "perf/tier/owner.h"

namespace freshet::perf {
namespace {

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string word; file >> word;) {
    if (word == "Rss:") {
      uint64_t kilobytes = 0;
      file >> kilobytes;
      return kilobytes * 1024;
    }
  }
  return 0;
}

void PrintState(const Owner& owner) {
  std::cout << owner.rows() << " " << owner.cold_rows() << " " << owner.bytes() << " "
            << ResidentBytes();
  if (owner.store() == nullptr) {
    std::cout << " 0 0 0" << std::endl;
    return;
  }
  const ps::ColdStoreCounters& counters = owner.store()->counters();
  std::cout << " " << counters.lookups << " " << counters.hits << " " << counters.puts << std::endl;
}

int Main(int argc, char** argv) {
  CLI::App app("An embedding table of which most rows are on disk.");
  OwnerOptions options;
  app.add_option("--rows", options.rows)->required()->check(CLI::Range(10'000U, 2'000'000'000U));
  app.add_option("--dim", options.dim)->required()->check(CLI::Range(1, 1024));
  app.add_option("--dram-bytes", options.storage.dram_bytes);
  app.add_option("--directory", options.storage.directory);
  CLI11_PARSE(app, argc, argv);
  Owner owner(options);
  owner.Fill();
  std::cout << "ready" << std::endl;
  for (std::string word; std::cin >> word;) {
    if (word == "state") {
      PrintState(owner);
    } else if (word == "checksum") {
      std::cout << owner.Checksum() << std::endl;
    } else if (word == "run") {
      uint64_t seed = 0;
      uint32_t batches = 0;
      uint32_t ahead = 0;
      std::cin >> seed >> batches >> ahead;
      const RunTime time = owner.Run(seed, batches, ahead);
      std::cout << time.seconds << " " << time.draws << " " << time.keys << std::endl;
    } else {
      std::cerr << "what is " << word << "?\n";
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace freshet::perf

int main(int argc, char** argv) {
  return freshet::perf::GuardedMain("freshet_bench_tier", freshet::perf::Main, argc, argv);
}
