#include <catch2/catch.hpp>

#include "tests/freshetctl/program.h"

namespace freshet::test {
namespace {

constexpr char kCluster[] = R"(cluster:
  name: small
  run_dir: run
  log_dir: log
coordinator: {}
ps:
  hosts: [127.0.0.1, 127.0.0.1]
worker:
  count: 2
  job: job.yaml
serving:
  count: 1
)";

constexpr char kJob[] = R"(stream:
  path: stream
format:
  kind: delimited
  columns: [label, user, item]
  label: {column: label}
slots:
  - name: user
  - name: item
    side: item
model:
  kind: lr
)";

TEST_CASE("a plan is a line for each process", "[freshetctl]") {
  Program program;
  WriteBytes(program.Path("cluster.yaml"), kCluster);
  const int exit_code = program.Run({"plan", program.Path("cluster.yaml")});
  INFO(program.err);
  CHECK(exit_code == 0);
  CHECK(program.out ==
        "coordinator\tcoordinator\t0\t127.0.0.1\n"
        "ps-0\tps\t0\t127.0.0.1\n"
        "ps-1\tps\t1\t127.0.0.1\n"
        "worker-0\tworker\t0\t127.0.0.1\n"
        "worker-1\tworker\t1\t127.0.0.1\n"
        "serving-0\tserving\t0\t127.0.0.1\n");
}

TEST_CASE("a plan gives single values to scripts", "[freshetctl]") {
  Program program;
  WriteBytes(program.Path("cluster.yaml"), kCluster);
  CHECK(program.Run({"plan", program.Path("cluster.yaml"), "--key", "run_dir"}) == 0);
  CHECK(program.out == program.Path("run") + "\n");
  CHECK(program.Run({"plan", program.Path("cluster.yaml"), "--key", "name"}) == 0);
  CHECK(program.out == "small\n");
  CHECK(program.Run({"plan", program.Path("cluster.yaml"), "--key", "run_dri"}) == 64);
  CHECK(Contains(program.err, "did you mean 'run_dir'?"));
}

TEST_CASE("a cluster file is checked together with its worker config", "[freshetctl]") {
  Program program;
  WriteBytes(program.Path("cluster.yaml"), kCluster);
  WriteBytes(program.Path("job.yaml"), kJob);
  const int exit_code = program.Run({"config", "check", program.Path("cluster.yaml")});
  INFO(program.err);
  CHECK(exit_code == 0);
  CHECK(Contains(program.out, "cluster.yaml: OK (cluster file: 2 ps, 2 workers, 1 serving)"));
  CHECK(Contains(program.out, "job.yaml: OK (worker config: model lr, 2 slots"));
  CHECK(program.Run({"config", "check", program.Path("job.yaml")}) == 0);
  CHECK(Contains(program.out, "job.yaml: OK"));
  WriteBytes(program.Path("job.yaml"), std::string(kJob) + "slotz: []\n");
  CHECK(program.Run({"config", "check", program.Path("cluster.yaml")}) == 78);
  CHECK(Contains(program.err, "slotz"));
}

TEST_CASE("a wrong config file is told from wrong usage", "[freshetctl]") {
  Program program;
  WriteBytes(program.Path("cluster.yaml"), std::string(kCluster) + "pss: 1\n");
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"config", "check"}, {"plan"}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back(program.Path("cluster.yaml"));
    CHECK(program.Run(arguments) == 78);
    CHECK(Contains(program.err, "'pss'"));
    arguments.back() = program.Path("none.yaml");
    CHECK(program.Run(arguments) == 78);
    CHECK(Contains(program.err, "none.yaml"));
  }
  CHECK(program.Run({"status", "--config", program.Path("cluster.yaml")}) == 78);
  CHECK(program.Run({"versions", "--config", program.Path("cluster.yaml")}) == 78);
}

TEST_CASE("wrong usage is 64 and says what would be right", "[freshetctl]") {
  Program program;
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "subcommand is required"},
      {{"stauts"}, "did you mean 'status'?"},
      {{"status", "--jsn"}, "--jsn"},
      {{"status"}, "--config"},
      {{"versions"}, "--log-dir"},
      {{"rollback"}, "VERSION"},
      {{"rollback", "x", "--coordinator", "c"}, "VERSION"},
      {{"rollback", "3", "--before", "2026-11-20", "--coordinator", "c"}, "not both"},
      {{"rollback", "--before", "yesterday", "--coordinator", "c"}, "2026-11-20T10:00Z"},
      {{"rollback", "3", "--skip", "x", "--coordinator", "c"}, "FROM..TO"},
      {{"rollback", "3", "--skip", "2026-11-20..2026-11-19", "--coordinator", "c"}, "before it"},
      {{"rollback", "3", "--keep-positions", "--skip", "a=1", "--coordinator", "c"}, "no use"},
      {{"versions", "diff", "1", "--log-dir", "d"}, "AFTER"},
      {{"watch", "--until", "nirvana", "--coordinator", "c"}, "training, finished"},
      {{"watch", "--until", "version=x", "--coordinator", "c"}, "version=N"},
      {{"watch", "--timeout", "60", "--coordinator", "c"}, "60s"},
      {{"forget", "w", "key", "--coordinator", "c"}, "slot=value"},
      {{"forget", "w", "1x", "--coordinator", "c"}, "slot=value"},
      {{"forget", "w", "--coordinator", "c"}, "which keys?"},
      {{"explain", "w", "--coordinator", "c"}, "KEY"},
      {{"explain", "w", "0x", "--coordinator", "c"}, "slot=value"},
      {{"explain", "w", "a=1", "--slot", "a", "--coordinator", "c"}, "leave --slot out"},
      {{"shrink", "w"}, "--config"},
      {{"export", "w", "--log-dir", "d"}, "--output"},
      {{"export", "w", "--output", "o", "--log-dir", "d", "--format", "xls"}, "csv, npy or text"},
      {{"export", "w", "--output", "o", "--log-dir", "d", "--format", "text", "--state"}, "csv or"},
      {{"replay", "f", "--to", "d"}, "--rate"},
      {{"replay", "f", "--to", "d", "--rate", "-1"}, "--rate"},
      {{"config"}, "subcommand is required"},
  };
  for (const auto& wrong : cases) {
    const int exit_code = program.Run(wrong.first);
    INFO(program.err);
    CHECK(exit_code == 64);
    CHECK(Contains(program.err, wrong.second));
    CHECK(program.out.empty());
  }
}

TEST_CASE("help and version are no errors", "[freshetctl]") {
  Program program;
  CHECK(program.Run({"--help"}) == 0);
  CHECK(Contains(program.out, "rollback"));
  CHECK(program.Run({"versions", "show", "--help"}) == 0);
  CHECK(Contains(program.out, "VERSION"));
  CHECK(program.Run({"--version"}) == 0);
  CHECK(Contains(program.out, "freshetctl "));
}

}  // namespace
}  // namespace freshet::test
