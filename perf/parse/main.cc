// Reads and parses a stream to its end on one thread, as a worker's first two stages do:
//
//   freshet_bench_parser WORKER_CONFIG
//
// and prints seconds, samples, features, and bad records.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/job/job_config.h"
#include "common/sample/feature_mapper.h"
#include "common/sample/sample_format.h"
#include "common/stream/stream.h"
#include "perf/guarded_main.h"

namespace freshet::perf {
namespace {

template <typename T>
T OrThrow(StatusOr<T> result) {
  if (!result.ok()) {
    throw std::runtime_error(MessageOf(result.status()));
  }
  return *std::move(result);
}

struct Counts {
  uint64_t samples = 0;
  uint64_t features = 0;
  uint64_t bad = 0;
};

void ParseAll(PartitionReader& reader, const SampleParser& parser, Counts* counts) {
  Record record;
  Sample sample;
  while (OrThrow(reader.Next(&record)) == ReadResult::kRecord) {
    if (parser.Parse(record.bytes, &sample).ok()) {
      ++counts->samples;
      counts->features += sample.features.size();
    } else {
      ++counts->bad;
    }
  }
}

int Main(int argc, char** argv) {
  std::string config;
  CLI::App app("Reads and parses a stream", "freshet_bench_parser");
  app.add_option("config", config, "A worker config")->required();
  CLI11_PARSE(app, argc, argv);
  const JobConfig job = OrThrow(LoadJobConfig(LocalFileSystem(), config));
  const FeatureMapper mapper = OrThrow(FeatureMapper::Make(job.model));
  const std::unique_ptr<SampleParser> parser = OrThrow(MakeSampleParser(job.format, mapper));
  const auto stream = MakeFileStream(LocalFileSystem(), SystemClock(), job.stream);

  const auto start = std::chrono::steady_clock::now();
  Counts counts;
  for (const std::string& partition : OrThrow(stream->Partitions())) {
    ParseAll(*OrThrow(stream->Open(partition, 0)), *parser, &counts);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::cout << seconds.count() << " " << counts.samples << " " << counts.features << " "
            << counts.bad << std::endl;
  return 0;
}

}  // namespace
}  // namespace freshet::perf

int main(int argc, char** argv) {
  return freshet::perf::GuardedMain("freshet_bench_parser", freshet::perf::Main, argc, argv);
}
