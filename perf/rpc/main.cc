// What perf/rpc/run starts:
//
//   freshet_bench_rpc --core N ps --log-dir PATH
//   freshet_bench_rpc --core N bare --rows N
//       serves, once it has printed where, until it is killed
//   freshet_bench_rpc --core N client --rows N --rounds N --batches N --keys N
//                     [--ps ADDRESS PID] [--bare PORT PID] [--redis PORT PID]
//       measures those that are named (measure.h)
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "common/process/process.h"
#include "perf/guarded_main.h"
#include "perf/rpc/bare_server.h"
#include "perf/rpc/measure.h"
#include "ps/ps_server.h"

namespace freshet::perf {
namespace {

void UseCore(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  if (::sched_setaffinity(0, sizeof cores, &cores) != 0) {
    std::perror("sched_setaffinity");
  }
}

int ServePs(const std::string& log_directory) {
  const auto transport = rpc::MakeTcpTransport();
  const Env env{SystemClock(), SystemRandom(), LocalFileSystem(), *transport};
  ps::PsOptions options;
  options.log_directory = log_directory;
  const auto server = ps::PsServer::Start(options, env);
  if (!server.ok()) {
    std::fprintf(stderr, "ps: %s\n", server.status().ToString().c_str());
    return 1;
  }
  std::printf("%s\n", (*server)->address().c_str());
  std::fflush(stdout);
  while (true) {
    ::pause();
  }
}

using Place = std::vector<std::string>;  // where a server listens, and its pid

int PidOf(const Place& place) {
  return std::stoi(place[1]);
}

uint16_t PortOf(const Place& place) {
  return static_cast<uint16_t>(std::stoi(place[0]));
}

int Main(int argc, char** argv) {
  CLI::App app("Pulls and pushes of a server beside a bare one and Redis.");
  app.require_subcommand(1);
  int core = 0;
  app.add_option("--core", core)->required();
  std::string log_directory;
  MeasureOptions options;
  Place ps;
  Place bare;
  Place redis;
  CLI::App* const serve_ps = app.add_subcommand("ps");
  serve_ps->add_option("--log-dir", log_directory)->required();
  CLI::App* const serve_bare = app.add_subcommand("bare");
  serve_bare->add_option("--rows", options.rows)->required();
  CLI::App* const client = app.add_subcommand("client");
  client->add_option("--rows", options.rows)->required();
  client->add_option("--rounds", options.rounds)->required();
  client->add_option("--batches", options.batches)->required()->check(CLI::PositiveNumber);
  client->add_option("--keys", options.batch_keys)->required()->check(CLI::PositiveNumber);
  client->add_option("--ps", ps)->expected(2);
  client->add_option("--bare", bare)->expected(2);
  client->add_option("--redis", redis)->expected(2);
  CLI11_PARSE(app, argc, argv);
  KeepFreedMemory();  // as the programs of both roles do
  UseCore(core);
  if (*serve_ps) {
    return ServePs(log_directory);
  }
  if (*serve_bare) {
    ServeBare(options.rows, [](uint16_t port) {
      std::printf("%u\n", port);
      std::fflush(stdout);
    });
  }
  std::vector<Contestant> contestants;
  if (!ps.empty()) {
    contestants.push_back({"ps", PidOf(ps), MakePsClient(ps[0])});
  }
  if (!bare.empty()) {
    contestants.push_back({"bare", PidOf(bare), MakeBareClient(PortOf(bare))});
  }
  if (!redis.empty()) {
    contestants.push_back({"redis", PidOf(redis), MakeRedisClient(PortOf(redis))});
  }
  Measure(options, contestants);
  return 0;
}

}  // namespace
}  // namespace freshet::perf

int main(int argc, char** argv) {
  return freshet::perf::GuardedMain("freshet_bench_rpc", freshet::perf::Main, argc, argv);
}
