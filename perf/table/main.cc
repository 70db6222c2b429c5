// What perf/table/run starts, a process for each contestant:
//
//   freshet_bench_table contest NAME --rows N --dim D --threads T
//       checks the answers, prints "ready", then answers each line of stdin with ns per key:
//       grow | pull DISTRIBUTION SEED KEYS | push DISTRIBUTION SEED KEYS
//   freshet_bench_table memory --rows N --dim D      prints a JSON object
//   freshet_bench_table growth --rows N --dim D      prints a JSON object
//   freshet_bench_table flags                        how the limit and the peers were compiled
#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>
#include <string>

#include "perf/guarded_main.h"
#include "perf/table/contest.h"
#include "perf/table/contestant.h"
#include "perf/table/growth.h"
#include "perf/table/memory.h"
#include "perf/table/verify.h"

namespace freshet::perf {
namespace {

struct Options {
  std::string contestant;
  uint32_t rows = 10'000'000;
  uint32_t dim = 16;
  uint32_t threads = 1;
};

bool Answer(Contest& contest, std::istream& commands) {
  std::string operation;
  if (!(commands >> operation)) {
    return false;
  }
  if (operation == "grow") {
    std::cout << contest.Grow() << std::endl;
    return true;
  }
  std::string distribution;
  uint64_t seed = 0;
  size_t keys = 0;
  if (!(commands >> distribution >> seed >> keys)) {
    return false;
  }
  std::cout << contest.Run(operation == "pull" ? Operation::kPull : Operation::kPush,
                           distribution == "zipf" ? Distribution::kZipf : Distribution::kUniform,
                           seed,
                           keys)
            << std::endl;
  return true;
}

int RunContest(const Options& options) {
  const ContestantKind* const kind = FindKind(options.contestant);
  if (kind == nullptr || kind->make({.dim = options.dim, .rows = 1}) == nullptr) {
    std::cerr << "no contestant " << options.contestant << " of " << options.dim << " floats\n";
    return 1;
  }
  if (const absl::Status status = VerifyAnswers(*kind, options.dim); !status.ok()) {
    std::cerr << "wrong answers: " << status.message() << "\n";
    return 1;
  }
  Contest contest(*kind, options.dim, options.rows, options.threads);
  std::cout << "ready" << std::endl;
  while (Answer(contest, std::cin)) {
  }
  return 0;
}

void PrintMemory(const MemoryOverhead& overhead) {
  std::cout << R"({"overhead_bytes_per_row": )" << overhead.per_row
            << R"(, "overhead_bytes_per_row_growth": )" << overhead.per_row_growth
            << R"(, "overhead_bytes_per_row_peak": )" << overhead.per_row_peak << "}\n";
}

void PrintGrowth(const BatchTimes& times) {
  std::cout << R"({"growth_worst_over_median": )" << times.worst_us / times.median_us
            << R"(, "growth_p999_over_median": )" << times.p999_us / times.median_us
            << R"(, "growth_worst_over_median_cpu": )" << times.worst_cpu_us / times.median_cpu_us
            << R"(, "growth_batch_median_us": )" << times.median_us
            << R"(, "growth_batch_p99_us": )" << times.p99_us << R"(, "growth_batch_p999_us": )"
            << times.p999_us << R"(, "growth_batch_worst_us": )" << times.worst_us
            << R"(, "growth_worst_at_rows": )" << times.worst_at_rows
            << R"(, "growth_batch_with_fault_share": )" << times.fault_share
            << R"(, "growth_batch_with_fault_median_us": )" << times.median_with_fault_us << "}\n";
}

int Main(int argc, char** argv) {
  CLI::App app("Measures the embedding table beside peers and the hardware limit.");
  app.require_subcommand(1);
  Options options;
  CLI::App* const contest = app.add_subcommand("contest", "Times one contestant");
  CLI::App* const memory = app.add_subcommand("memory", "Memory beside keys, values and state");
  CLI::App* const growth = app.add_subcommand("growth", "Batches while the table grows");
  CLI::App* const flags = app.add_subcommand("flags", "How limit and peers were compiled");
  contest->add_option("name", options.contestant)->required();
  contest->add_option("--threads", options.threads)->check(CLI::Range(1, 2));
  for (CLI::App* const command : {contest, memory, growth}) {
    command->add_option("--rows", options.rows)->check(CLI::Range(10'000U, 2'000'000'000U));
    command->add_option("--dim", options.dim)->check(CLI::Range(1, 1024));
  }
  CLI11_PARSE(app, argc, argv);
  if (contest->parsed()) {
    return RunContest(options);
  }
  if (memory->parsed()) {
    PrintMemory(MeasureMemory(options.dim, options.rows));
  } else if (growth->parsed()) {
    PrintGrowth(MeasureGrowth(options.dim, options.rows));
  } else if (flags->parsed()) {
    std::cout << FRESHET_PEER_FLAGS << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace freshet::perf

int main(int argc, char** argv) {
  return freshet::perf::GuardedMain("freshet_bench_table", freshet::perf::Main, argc, argv);
}
