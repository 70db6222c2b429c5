#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <mutex>

#include "common/key.h"
#include "common/rpc/typed.h"
#include "proto/control.pb.h"
#include "tests/freshetctl/program.h"

namespace freshet::test {
namespace {

proto::StatusResponse TrainingStatus() {
  proto::StatusResponse status;
  status.set_phase(proto::StatusResponse::TRAINING);
  status.set_epoch(3);
  status.set_version(41);
  status.set_samples(1'234'567);
  status.set_auc(0.75);
  status.set_log_loss(0.5);
  status.set_calibration(1.0);
  status.set_rows(9876);
  status.set_served_version(40);
  status.set_freshness_ms(850);
  auto* member = status.add_members();
  member->set_role(proto::WORKER);
  member->set_rank(1);
  member->set_up(true);
  member->set_address("10.0.0.1:4000");
  member->mutable_report()->set_samples(42);
  member->mutable_report()->set_error("stream gone");
  return status;
}

// A coordinator that answers as the test says, and remembers what it was asked.
class FakeCoordinator {
 public:
  explicit FakeCoordinator(Program& program) {
    auto listening = program.transport->Listen("coordinator");
    REQUIRE(listening.ok());
    server_ = *std::move(listening);
    rpc::HandleTyped<proto::StatusRequest>(
        *server_,
        rpc::Method::kStatus,
        [this](const proto::StatusRequest&, const Buffer&, rpc::Responder respond) {
          const std::lock_guard lock(mutex);
          status.set_samples(status.samples() + samples_per_ask);
          status.set_version(status.version() + versions_per_ask);
          status.set_rewinds(status.rewinds() + rewinds_per_ask);
          status.set_epoch(status.epoch() + epochs_per_ask);
          respond(rpc::MakeMessage(status));
        });
    rpc::HandleTyped<proto::RollbackRequest>(
        *server_,
        rpc::Method::kRollback,
        [this](const proto::RollbackRequest& request, const Buffer&, rpc::Responder respond) {
          const std::lock_guard lock(mutex);
          rollback = request;
          if (request.version() == 99) {
            respond(NotFound("there is no version 99"));
            return;
          }
          proto::RollbackResponse response;
          response.set_version(42);
          respond(rpc::MakeMessage(response));
        });
    rpc::HandleTyped<proto::CutNowRequest>(
        *server_,
        rpc::Method::kCutNow,
        [](const proto::CutNowRequest&, const Buffer&, rpc::Responder respond) {
          proto::CutNowResponse response;
          response.set_version(42);
          respond(rpc::MakeMessage(response));
        });
    HandleRows();
    server_->Start();
  }

  void HandleRows() {
    rpc::HandleTyped<proto::ForgetRequest>(
        *server_,
        rpc::Method::kForget,
        [this](const proto::ForgetRequest& request, const Buffer& body, rpc::Responder respond) {
          const std::lock_guard lock(mutex);
          variable = request.variable();
          const auto sent = body.as<Key>(0, body.size() / sizeof(Key));
          keys.assign(sent.begin(), sent.end());
          proto::ForgetResponse response;
          response.set_rows(2);
          response.set_version(42);
          respond(rpc::MakeMessage(response));
        });
    rpc::HandleTyped<proto::ShrinkRequest>(
        *server_,
        rpc::Method::kShrink,
        [this](const proto::ShrinkRequest& request, const Buffer&, rpc::Responder respond) {
          const std::lock_guard lock(mutex);
          proto::ShrinkResponse response = shrunk;
          response.set_version(request.dry_run() ? 0 : 42);
          respond(rpc::MakeMessage(response));
        });
    rpc::HandleTyped<proto::ExplainKeyRequest>(
        *server_,
        rpc::Method::kExplainKey,
        [](const proto::ExplainKeyRequest& request, const Buffer&, rpc::Responder respond) {
          proto::ExplainKeyResponse response;
          response.set_partition(3);
          response.set_partition_count(64);
          response.set_server(1);
          response.set_address("10.0.0.2:4000");
          response.add_lines("no row");
          response.add_lines(fmt::format("slot {}", request.slot()));
          respond(rpc::MakeMessage(response));
        });
    rpc::HandleTyped<proto::ModelRequest>(
        *server_,
        rpc::Method::kModel,
        [](const proto::ModelRequest&, const Buffer&, rpc::Responder respond) {
          proto::ModelResponse response;
          response.mutable_model()->add_slots()->set_name("user");
          proto::Slot& age = *response.mutable_model()->add_slots();
          age.set_name("age");
          age.add_buckets(18);
          proto::Slot& genre = *response.mutable_model()->add_slots();
          genre.set_name("genre");
          genre.set_separator("|");
          respond(rpc::MakeMessage(response));
        });
  }

  std::mutex mutex;  // guards what follows: handlers run on a thread of the transport
  proto::StatusResponse status = TrainingStatus();
  proto::RollbackRequest rollback;
  uint64_t samples_per_ask = 0;
  uint64_t versions_per_ask = 0;
  uint64_t rewinds_per_ask = 0;
  uint64_t epochs_per_ask = 0;
  std::string variable;
  std::vector<Key> keys;
  proto::ShrinkResponse shrunk;

 private:
  std::unique_ptr<rpc::Server> server_;
};

const std::vector<std::string> kWhere = {"--coordinator", "coordinator"};

int Run(Program& program, std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), kWhere.begin(), kWhere.end());
  return program.Run(arguments);
}

TEST_CASE("status shows the cluster and its members", "[freshetctl]") {
  Program program;
  const FakeCoordinator coordinator(program);
  CHECK(Run(program, {"status"}) == 0);
  CHECK(program.out ==
        "phase     training\n"
        "samples   1,234,567\n"
        "scored    AUC 0.7500   log loss 0.5000   calibration 1.0000\n"
        "table     9,876 keys\n"
        "version   41 newest, 40 served   freshness 850ms\n"
        "cuts      0 (0 failed)   last pause 0.0ms   epoch 3   rewinds 0\n"
        "\n"
        "MEMBER    STATE  RPC            HTTP  BUILD  REPORT\n"
        "worker-1  up     10.0.0.1:4000  -     -      42 samples, 0 bad, error: stream gone\n");
  CHECK(Run(program, {"status", "--json"}) == 0);
  CHECK(Contains(program.out, R"({"phase":"TRAINING","epoch":3,"version":41,"members":[{)"));
  CHECK(Contains(program.out, R"("samples":1234567,"auc":0.75,)"));
}

TEST_CASE("rollback and cut say which version came of it", "[freshetctl]") {
  Program program;
  const FakeCoordinator coordinator(program);
  CHECK(Run(program, {"rollback", "40"}) == 0);
  CHECK(program.out == "version 42 is version 40 again\n");
  CHECK(Run(program, {"cut"}) == 0);
  CHECK(program.out == "version 42 is committed\n");
}

TEST_CASE("a rollback says which samples are left out, by time and by feature", "[freshetctl]") {
  Program program;
  const FakeCoordinator coordinator(program);
  CHECK(Run(program,
            {"rollback",
             "--before",
             "2026-11-20T10:00Z",
             "--skip",
             "2026-11-20T10:00Z..2026-11-20T10:20:30",
             "--skip",
             "user=a@b",
             "--skip",
             "user=x@@1000..@2000",
             "--forget-skips"}) == 0);
  const proto::RollbackRequest& sent = coordinator.rollback;
  CHECK(sent.before_unix_ms() == 1'795'168'800'000);
  CHECK(sent.forget_skips());
  REQUIRE(sent.skips_size() == 3);
  CHECK(sent.skips(0).from_event_time_ms() == 1'795'168'800'000);
  CHECK(sent.skips(0).to_event_time_ms() == 1'795'170'030'000);
  CHECK(!sent.skips(0).by_feature());
  CHECK(sent.skips(1).by_feature());
  CHECK(sent.skips(1).key() == HashKey(SlotSeed("user"), "a@b"));
  CHECK(sent.skips(1).to_event_time_ms() == 0);
  CHECK(sent.skips(2).key() == HashKey(SlotSeed("user"), "x"));
  CHECK(sent.skips(2).from_event_time_ms() == 1'000'000);
  CHECK(sent.skips(2).to_event_time_ms() == 2'000'000);
  CHECK(sent.skips(2).text() == "user=x@@1000..@2000");
}

TEST_CASE("keys to forget are numbers, or values as a sample has them", "[freshetctl]") {
  Program program;
  const FakeCoordinator coordinator(program);
  CHECK(Run(program, {"forget", "w", "17", "0xFf", "user=u=1", "age=17.5", "genre=a|b"}) == 0);
  CHECK(program.out == "forgot 6 keys of 'w', 2 of them with a row, in version 42\n");
  CHECK(coordinator.variable == "w");
  // 17.5 is below the first bucket boundary; a separator makes two keys of one value.
  CHECK(coordinator.keys == std::vector<Key>{17,
                                             255,
                                             HashKey(SlotSeed("user"), "u=1"),
                                             HashKey(SlotSeed("age"), "0"),
                                             HashKey(SlotSeed("genre"), "a"),
                                             HashKey(SlotSeed("genre"), "b")});
  CHECK(Run(program, {"forget", "w", "usr=1"}) == 1);
  CHECK(Contains(program.err, "did you mean 'user'?"));
  CHECK(Run(program, {"forget", "w", "user="}) == 1);
  CHECK(Contains(program.err, "its value is empty"));
  CHECK(Run(program, {"forget", "w", "age=old"}) == 1);
  CHECK(Contains(program.err, "slot 'age' needs a number"));
}

TEST_CASE("keys to forget come from a file or from stdin, a key a line", "[freshetctl]") {
  Program program;
  const FakeCoordinator coordinator(program);
  WriteBytes(program.Path("keys"), "1\r\n\n0x2\nuser=a b\n");
  CHECK(Run(program, {"forget", "w", "3", "--keys", program.Path("keys")}) == 0);
  CHECK(coordinator.keys == std::vector<Key>{3, 1, 2, HashKey(SlotSeed("user"), "a b")});
  program.in.str("5\n6");
  CHECK(Run(program, {"forget", "w", "--keys", "-"}) == 0);
  CHECK(coordinator.keys == std::vector<Key>{5, 6});
  WriteBytes(program.Path("keys"), "1\n\nx\n");
  CHECK(Run(program, {"forget", "w", "--keys", program.Path("keys")}) == 64);
  CHECK(Contains(program.err, program.Path("keys") + ":3: 'x' is no key"));
  CHECK(Run(program, {"forget", "w", "--keys", program.Path("none")}) == 1);
  CHECK(Contains(program.err, program.Path("none")));
}

TEST_CASE("a key is explained with its place", "[freshetctl]") {
  Program program;
  const FakeCoordinator coordinator(program);
  CHECK(Run(program, {"explain", "w", "17"}) == 0);
  CHECK(program.out ==
        "key 17 (0x0000000000000011) of 'w': partition 3 of 64, on ps-1 at 10.0.0.2:4000\n"
        "  no row\n"
        "  slot 0\n");
  CHECK(Run(program, {"explain", "w", "17", "--slot", "age"}) == 0);
  CHECK(Contains(program.out, "  slot 1\n"));
  CHECK(Run(program, {"explain", "w", "user=u1"}) == 0);
  CHECK(Contains(program.out, fmt::format("key {} (", HashKey(SlotSeed("user"), "u1"))));
  CHECK(Run(program, {"explain", "w", "17", "--slot", "agee"}) == 1);
  CHECK(Contains(program.err, "did you mean 'age'?"));
}

TEST_CASE("a shrink says what goes by which rule", "[freshetctl]") {
  Program program;
  FakeCoordinator coordinator(program);
  CHECK(Run(program, {"shrink", "--dry-run"}) == 0);
  CHECK(program.out == "0 rows (0 B) would go\n");
  proto::Evictions& evictions = *coordinator.shrunk.add_variables();
  evictions.set_variable("w");
  for (const auto& [name, rows] :
       {std::pair("steps_to_live", 1000U), std::pair("max_bytes", 24U)}) {
    proto::RuleEvictions& rule = *evictions.add_rules();
    rule.set_rule(name);
    rule.set_rows(rows);
    rule.set_bytes(rows * 1024);
  }
  const std::string table =
      "VARIABLE  RULE            ROWS       BYTES\n"
      "w         steps_to_live  1,000  1000.0 KiB\n"
      "w         max_bytes         24    24.0 KiB\n";
  CHECK(Run(program, {"shrink", "w", "--dry-run"}) == 0);
  CHECK(program.out == table + "1,024 rows (1.0 MiB) would go\n");
  CHECK(Run(program, {"shrink"}) == 0);
  CHECK(program.out == table + "1,024 rows (1.0 MiB) are gone in version 42\n");
}

TEST_CASE("what the coordinator refuses is said with its address", "[freshetctl]") {
  Program program;
  const FakeCoordinator coordinator(program);
  CHECK(Run(program, {"rollback", "99"}) == 1);
  CHECK(program.err == "freshetctl: coordinator at coordinator: there is no version 99\n");
}

TEST_CASE("a coordinator that is not there is an error", "[freshetctl]") {
  Program program;
  CHECK(Run(program, {"status"}) == 1);
  CHECK(Contains(program.err, "coordinator at coordinator: "));
  WriteBytes(program.Path("cluster.yaml"),
             "cluster: {run_dir: run, log_dir: log}\nworker: {job: job.yaml}\n");
  CHECK(program.Run({"status", "--config", program.Path("cluster.yaml")}) == 1);
  CHECK(Contains(program.err, "is the cluster running?"));
}

TEST_CASE("watch ends when the state is reached, with a line a second", "[freshetctl]") {
  Program program;
  FakeCoordinator coordinator(program);
  coordinator.samples_per_ask = 100;  // five times a second
  coordinator.versions_per_ask = 1;
  CHECK(Run(program, {"watch", "--until", "version=57"}) == 0);
  std::istringstream lines(program.out);
  std::vector<std::string> seen;
  for (std::string line; std::getline(lines, line);) {
    seen.push_back(line);
  }
  // Asked at 0, 200, ... 3000 ms: version 42 to 57.
  REQUIRE(seen.size() == 4);
  CHECK(Contains(seen[0], "samples=1234667 samples_per_s=- auc=0.7500 log_loss=0.5000 keys=9876"));
  CHECK(Contains(seen[1], "samples=1235167 samples_per_s=500 "));
  CHECK(Contains(seen[3], "version=57 served=40 freshness=850ms"));
}

TEST_CASE("watch draws its block again in a terminal", "[freshetctl]") {
  Program program;
  program.terminal = true;
  FakeCoordinator coordinator(program);
  coordinator.versions_per_ask = 1;
  CHECK(Run(program, {"watch", "--until", "version=43"}) == 0);
  CHECK(program.out.find("\x1b[6A") != std::string::npos);
  CHECK(program.out.find("\x1b[6A") == program.out.rfind("\x1b[6A"));
}

TEST_CASE("watch and wait fail when the time is up, and say how far it came", "[freshetctl]") {
  Program program;
  {
    FakeCoordinator coordinator(program);
    coordinator.status.set_phase(proto::StatusResponse::FORMING);
    coordinator.status.set_waiting_for("ps-1");
    CHECK(Run(program, {"wait", "training", "--timeout", "2s"}) == 1);
    CHECK(program.out.empty());
    CHECK(Contains(program.err,
                   "not reached within 2.0s: the cluster is forming and waits for ps-1"));
    CHECK(Run(program, {"watch", "--until", "served=41", "--timeout", "500ms"}) == 1);
  }
  CHECK(Run(program, {"wait", "training", "--timeout", "2s"}) == 1);
  CHECK(Contains(program.err, "not reached within 2.0s: coordinator at coordinator: "));
}

TEST_CASE("waiting for training ends when it breaks off again and again", "[freshetctl]") {
  Program program;
  FakeCoordinator coordinator(program);
  coordinator.status.set_phase(proto::StatusResponse::RECOVERING);
  coordinator.status.set_waiting_for("worker-0: no such file");
  coordinator.status.set_rewinds(100);
  CHECK(Run(program, {"wait", "training", "--timeout", "2s"}) == 1);
  CHECK(Contains(program.err, "not reached within 2.0s"));
  coordinator.rewinds_per_ask = 1;
  CHECK(Run(program, {"wait", "training", "--timeout", "2s"}) == 1);
  CHECK(Contains(program.err,
                 "training begins and breaks off again and again: worker-0: no such file"));
  CHECK(Run(program, {"wait", "finished", "--timeout", "2s"}) == 1);
  CHECK(Contains(program.err, "not reached within 2.0s"));
}

TEST_CASE("training that is seen once in each epoch has not been reached", "[freshetctl]") {
  Program program;
  FakeCoordinator coordinator(program);
  coordinator.epochs_per_ask = 1;
  CHECK(Run(program, {"wait", "training", "--timeout", "2s"}) == 1);
  coordinator.epochs_per_ask = 0;
  CHECK(Run(program, {"wait", "training", "--timeout", "2s"}) == 0);
  coordinator.epochs_per_ask = 1;
  coordinator.status.set_phase(proto::StatusResponse::FINISHED);
  CHECK(Run(program, {"wait", "training", "--timeout", "2s"}) == 0);
}

TEST_CASE("every goal knows when it is reached", "[freshetctl]") {
  Program program;
  FakeCoordinator coordinator(program);
  CHECK(Run(program, {"wait", "training"}) == 0);
  CHECK(Run(program, {"wait", "served=40"}) == 0);
  CHECK(Run(program, {"wait", "version=41"}) == 0);
  CHECK(Run(program, {"wait", "finished", "--timeout", "1s"}) == 1);
  coordinator.status.set_phase(proto::StatusResponse::FINISHED);
  CHECK(Run(program, {"wait", "finished"}) == 0);
  CHECK(Run(program, {"wait", "training"}) == 0);
}

}  // namespace
}  // namespace freshet::test
