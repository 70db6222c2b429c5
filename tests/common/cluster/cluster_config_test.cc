#include "common/cluster/cluster_config.h"

#include <catch2/catch.hpp>

#include "common/config/config_file.h"

using freshet::ClusterConfig;
using freshet::ConfigFile;
using freshet::MessageOf;

namespace {

freshet::StatusOr<ClusterConfig> Read(const std::string& text) {
  const auto file = ConfigFile::Parse("/etc/freshet/c.yaml", text);
  INFO(file.status());
  REQUIRE(file.ok());
  return ReadClusterConfig(**file);
}

const std::string kRequired = R"(cluster: {run_dir: run, log_dir: /srv/log}
worker: {job: job.yaml}
)";

ClusterConfig Config(const std::string& text) {
  auto config = Read(text);
  INFO(config.status());
  REQUIRE(config.ok());
  return *std::move(config);
}

std::string Errors(const std::string& text) {
  const auto config = Read(text);
  CHECK(config.status().code() == absl::StatusCode::kInvalidArgument);
  return MessageOf(config.status());
}

}  // namespace

TEST_CASE("a cluster file needs its folders and its job, no more", "[cluster]") {
  const ClusterConfig config = Config(kRequired);
  CHECK(config.path == "/etc/freshet/c.yaml");
  CHECK(config.name == "freshet");
  CHECK(config.run_dir == "/etc/freshet/run");
  CHECK(config.log_dir == "/srv/log");
  CHECK(config.partition_count == 1024);
  CHECK(config.log.level == "info");
  CHECK_FALSE(config.log.json);
  CHECK(config.coordinator.state_dir == "/etc/freshet/run/coordinator");
  CHECK(config.ps.hosts == std::vector<std::string>{"127.0.0.1"});
  CHECK(config.worker.job == "/etc/freshet/job.yaml");
  CHECK(config.serving.hosts.size() == 1);
  CHECK(config.serving.catalogue.path.empty());
  CHECK(Errors("") ==
        "/etc/freshet/c.yaml:1: 'run_dir' is missing in 'cluster'\n"
        "/etc/freshet/c.yaml:1: 'log_dir' is missing in 'cluster'\n"
        "/etc/freshet/c.yaml:1: 'job' is missing in 'worker'");
}

TEST_CASE("every key of a cluster file is read", "[cluster]") {
  const ClusterConfig config = Config(R"(
cluster: {name: clicks, run_dir: run, log_dir: log, partitions: 64}
log: {level: debug, format: json}
coordinator:
  host: node-a
  port: 7000
  http_port: 7001
  state_dir: state
  cut_every: 500ms
  base_every: 7
  member_timeout: 2s
  rpc_timeout: 3s
  restore_timeout: 4m
ps: {hosts: [node-a, node-b, node-b], port: 7100, http_port: 7200, owner_threads: 2, io_threads: 3}
worker: {hosts: [node-b], http_port: 7300, job: job.yaml}
serving:
  hosts: [node-c]
  http_port: 80
  http_threads: 4
  poll_every: 50ms
  catalogue:
    path: items.tsv
    delimiter: tab
    quoted: true
    header: true
    columns: [id, name]
    id_column: id
    title_column: name
)");
  CHECK(config.name == "clicks");
  CHECK(config.partition_count == 64);
  CHECK(config.log.level == "debug");
  CHECK(config.log.json);
  CHECK(config.coordinator.host == "node-a");
  CHECK(config.coordinator.port == 7000);
  CHECK(config.coordinator.http_port == 7001);
  CHECK(config.coordinator.state_dir == "/etc/freshet/state");
  CHECK(config.coordinator.cut_every_ms == 500);
  CHECK(config.coordinator.base_every == 7);
  CHECK(config.coordinator.member_timeout_ms == 2000);
  CHECK(config.coordinator.rpc_timeout_ms == 3000);
  CHECK(config.coordinator.restore_timeout_ms == 240'000);
  CHECK(config.ps.hosts == std::vector<std::string>{"node-a", "node-b", "node-b"});
  CHECK(config.ps.port == 7100);
  CHECK(config.ps.http_port == 7200);
  CHECK(config.ps.owner_threads == 2);
  CHECK(config.ps.io_threads == 3);
  CHECK(config.worker.hosts == std::vector<std::string>{"node-b"});
  CHECK(config.worker.http_port == 7300);
  CHECK(config.serving.hosts == std::vector<std::string>{"node-c"});
  CHECK(config.serving.http_port == 80);
  CHECK(config.serving.http_threads == 4);
  CHECK(config.serving.poll_every_ms == 50);
  CHECK(config.serving.catalogue.path == "/etc/freshet/items.tsv");
  CHECK(config.serving.catalogue.delimiter == "\t");
  CHECK(config.serving.catalogue.quoted);
  CHECK(config.serving.catalogue.header);
  CHECK(config.serving.catalogue.columns == std::vector<std::string>{"id", "name"});
  CHECK(config.serving.catalogue.id_column == "id");
  CHECK(config.serving.catalogue.title_column == "name");
}

TEST_CASE("a count means so many processes on this machine", "[cluster]") {
  const ClusterConfig config = Config(
      "cluster: {run_dir: r, log_dir: l}\nps: {count: 3}\nworker: {count: 2, job: j}\n"
      "serving: {count: 0}\n");
  CHECK(config.ps.hosts == std::vector<std::string>(3, "127.0.0.1"));
  CHECK(config.worker.hosts.size() == 2);
  CHECK(config.serving.hosts.empty());
  CHECK(Errors(kRequired + "ps: {count: 0}\nserving: {count: 2, hosts: [a]}\n") ==
        "/etc/freshet/c.yaml:3: 'count' must be a whole number from 1 to 1024, got '0'\n"
        "/etc/freshet/c.yaml:4: 'count' cannot stand beside 'hosts', which has one entry per "
        "process");
  CHECK(Errors(kRequired + "ps: {hosts: []}\n") ==
        "/etc/freshet/c.yaml:3: 'hosts' must have from 1 to 1024 entries");
}

TEST_CASE("values out of range are told with what would be right", "[cluster]") {
  CHECK(Errors("cluster: {run_dir: '', log_dir: l, partitions: 0}\n"
               "log: {level: verbose}\n"
               "coordinator:\n"
               "  cut_every: 1ms\n"
               "  base_every: 0\n"
               "  member_timeout: 25h\n"
               "worker: {job: j}\n"
               "serving: {http_threads: 1000, catalogue: {}}\n") ==
        "/etc/freshet/c.yaml:1: 'run_dir' must not be empty\n"
        "/etc/freshet/c.yaml:1: 'partitions' must be a whole number from 1 to 65536, got '0'\n"
        "/etc/freshet/c.yaml:2: 'level' cannot be 'verbose'; known: trace, debug, info, warn, "
        "error\n"
        "/etc/freshet/c.yaml:4: 'cut_every' must be from 10ms to 24h, got 1ms\n"
        "/etc/freshet/c.yaml:5: 'base_every' must be a whole number of at least 1, got '0'\n"
        "/etc/freshet/c.yaml:6: 'member_timeout' must be from 100ms to 24h, got 90000000ms\n"
        "/etc/freshet/c.yaml:8: 'http_threads' must be a whole number from 1 to 256, got '1000'\n"
        "/etc/freshet/c.yaml:8: 'path' is missing in 'serving.catalogue'\n"
        "/etc/freshet/c.yaml:8: 'columns' is missing in 'serving.catalogue'\n"
        "/etc/freshet/c.yaml:8: 'id_column' is missing in 'serving.catalogue'");
}

TEST_CASE("a hook for events that never happen is an error", "[cluster]") {
  CHECK(Errors("cluster: {run_dir: r, log_dir: l}\n"
               "worker: {job: j}\n"
               "coordinator:\n"
               "  hooks: [{on: [served, versoin_committed], command: \"true\"}]\n") ==
        "/etc/freshet/c.yaml:4: 'on' no event is of kind 'versoin_committed'; did you mean "
        "'version_committed'?");
}

TEST_CASE("there are partitions for every owner thread", "[cluster]") {
  CHECK(Errors("cluster: {run_dir: r, log_dir: l, partitions: 7}\n"
               "ps: {count: 4, owner_threads: 2}\n"
               "worker: {job: j}\n") ==
        "/etc/freshet/c.yaml:2: 'owner_threads' makes 8 owner threads in all, but there are only 7 "
        "partitions to own; raise 'partitions' in 'cluster'");
}

TEST_CASE("ports of one host go to one listener each", "[cluster]") {
  CHECK(Errors(kRequired + "ps: {count: 3, port: 7000}\nserving: {count: 2, http_port: 7001}\n") ==
        "/etc/freshet/c.yaml:4: 'http_port' gives port 7001 of 127.0.0.1 to serving 0 "
        "(serving.http_port), but ps 1 (ps.port) has it");
  CHECK(Errors(kRequired + "ps: {count: 3, port: 65534}\n") ==
        "/etc/freshet/c.yaml:3: 'port' must be at most 65533, since 3 processes take a port each, "
        "got 65534");
  CHECK(Read(kRequired + "ps: {count: 3, port: 65533, http_port: 65530}\n").ok());
  CHECK(freshet::PortOfRank(0, 5) == 0);
  CHECK(freshet::PortOfRank(7000, 5) == 7005);
}

TEST_CASE("a coordinator of several hosts can be found and reached", "[cluster]") {
  CHECK(Errors(kRequired + "coordinator: {host: node-a}\nps: {hosts: [node-a, node-b]}\n")
            .starts_with("/etc/freshet/c.yaml:3: 'port' must be fixed, since node-b cannot look it "
                         "up on node-a"));
  CHECK(Errors(kRequired + "coordinator: {port: 7000}\nps: {hosts: [node-b]}\n") ==
        "/etc/freshet/c.yaml:3: 'host' is 127.0.0.1, and another process runs on node-b: they "
        "cannot reach each other; give the name of each host");
  CHECK(Read(kRequired + "ps: {hosts: [localhost]}\n").ok());
}

TEST_CASE("columns of the catalogue are checked", "[cluster]") {
  CHECK(Errors(kRequired + "serving:\n"
                           "  catalogue:\n"
                           "    path: p\n"
                           "    delimiter: ''\n"
                           "    columns: [movieId, title, title]\n"
                           "    id_column: movieid\n"
                           "    title_column: name\n") ==
        "/etc/freshet/c.yaml:6: 'delimiter' must not be empty\n"
        "/etc/freshet/c.yaml:7: 'columns' must be distinct, but 'title' is there twice\n"
        "/etc/freshet/c.yaml:8: 'id_column' names no column: 'movieid'; did you mean 'movieId'?\n"
        "/etc/freshet/c.yaml:9: 'title_column' names no column: 'name'; known: movieId, title, "
        "title");
}
