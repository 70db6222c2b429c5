#include "common/job/job_config.h"

#include <catch2/catch.hpp>

#include "common/config/config_file.h"

using freshet::ConfigFile;
using freshet::Consistency;
using freshet::JobConfig;
using freshet::MessageOf;
using freshet::ModelHash;
using freshet::SampleFormat;
using freshet::proto::Slot;

namespace {

freshet::StatusOr<JobConfig> Read(const std::string& text) {
  const auto file = ConfigFile::Parse("/etc/freshet/j.yaml", text);
  INFO(file.status());
  REQUIRE(file.ok());
  return ReadJobConfig(**file);
}

JobConfig Job(const std::string& text) {
  auto job = Read(text);
  INFO(job.status());
  REQUIRE(job.ok());
  return *std::move(job);
}

// The messages, without the path before each.
std::string Errors(const std::string& text) {
  const auto job = Read(text);
  CHECK(job.status().code() == absl::StatusCode::kInvalidArgument);
  std::string message = MessageOf(job.status());
  const std::string path = "/etc/freshet/j.yaml:";
  for (size_t at = message.find(path); at != std::string::npos; at = message.find(path)) {
    message.erase(at, path.size());
  }
  return message;
}

// Three lines, to which sections are added.
const std::string kInput = R"(stream: {path: d}
format: {columns: [click, user, item], label: {column: click}}
slots: [{name: user}, {name: item, side: item}]
)";
const std::string kSmall = kInput + "model: {kind: fm}\n";

std::string WithOptimizer(const std::string& optimizer) {
  return kInput + "model: {kind: lr, optimizer: {" + optimizer + "}}\n";
}

}  // namespace

TEST_CASE("a small worker config gets good defaults", "[job]") {
  const JobConfig job = Job(kSmall);
  CHECK(job.stream.path == "/etc/freshet/d");
  CHECK_FALSE(job.stream.follow);
  CHECK(job.stream.max_record_bytes == 1U << 20U);
  CHECK(job.format.kind == SampleFormat::Kind::kDelimited);
  CHECK(job.format.delimiter == ",");
  CHECK_FALSE(job.format.positive_at_least.has_value());
  CHECK(job.training.batch_size == 512);
  CHECK(job.training.consistency == Consistency::kAsp);
  REQUIRE(job.model.slots_size() == 2);
  CHECK(job.model.slots(0).column() == "user");
  CHECK(job.model.slots(0).side() == Slot::CONTEXT);
  CHECK(job.model.slots(1).side() == Slot::ITEM);
  CHECK(job.model.kind() == "fm");
  CHECK(job.model.factors() == 8);
  REQUIRE(job.model.embedding_variables_size() == 1);
  const auto& variable = job.model.embedding_variables(0);
  CHECK(variable.dim() == 9);
  CHECK(variable.seed() == 1);
  CHECK(variable.optimizer().adagrad().learning_rate() == 0.05F);
  CHECK(variable.optimizer().adagrad().initial_accumulator() == 0.1F);
  CHECK(variable.optimizer().adagrad().epsilon() == 1e-8F);
  REQUIRE(job.model.dense_variables_size() == 1);
  CHECK(job.model.dense_variables(0).optimizer().has_adagrad());
}

TEST_CASE("every key of a worker config is read", "[job]") {
  const JobConfig job = Job(R"(
stream: {path: /srv/s, suffix: .tsv, follow: true, header: true, max_record_bytes: 64KiB}
format:
  kind: delimited
  delimiter: "\t"
  quoted: true
  columns: [t, w, rating, user, tags, age, count]
  label: {column: rating, positive_at_least: 4}
  weight: {column: w}
  event_time: {column: t, unit: ms}
slots:
  - {name: user, side: context}
  - {name: tag, column: tags, separator: "|", side: item}
  - {name: age, buckets: [18, 25.5]}
  - {name: count, log_bucket: true}
model:
  kind: fm
  factors: 4
  init_stddev: 0.25
  seed: 7
  optimizer: {kind: ftrl, learning_rate: 0.1, beta: 2, l1: 0.5, l2: 0.25}
  dense_optimizer: {kind: adam, learning_rate: 0.002, beta1: 0.8, beta2: 0.9, epsilon: 1e-7}
training:
  batch_size: 64
  max_batch_wait: 5ms
  consistency: bsp
  batches_ahead: 0
  pushes_in_flight: 1
  announce: true
  rpc_timeout: 500ms
)");
  CHECK(job.stream.path == "/srv/s");
  CHECK(job.stream.suffix == ".tsv");
  CHECK(job.stream.follow);
  CHECK(job.stream.header);
  CHECK(job.stream.max_record_bytes == 65536);
  CHECK(job.format.delimiter == "\t");
  CHECK(job.format.quoted);
  CHECK(job.format.columns.size() == 7);
  CHECK(job.format.label_column == "rating");
  CHECK(job.format.positive_at_least == 4.0);
  CHECK(job.format.weight_column == "w");
  CHECK(job.format.event_time_column == "t");
  CHECK(job.format.time_unit == SampleFormat::TimeUnit::kMilliseconds);
  REQUIRE(job.model.slots_size() == 4);
  CHECK(job.model.slots(1).column() == "tags");
  CHECK(job.model.slots(1).separator() == "|");
  REQUIRE(job.model.slots(2).buckets_size() == 2);
  CHECK(job.model.slots(2).buckets(1) == 25.5);
  CHECK(job.model.slots(3).log_bucket());
  const auto& variable = job.model.embedding_variables(0);
  CHECK(variable.dim() == 5);
  CHECK(variable.seed() == 7);
  CHECK(variable.initializers(1).scale() == 0.25F);
  CHECK(variable.optimizer().ftrl().learning_rate() == 0.1F);
  CHECK(variable.optimizer().ftrl().beta() == 2.0F);
  CHECK(variable.optimizer().ftrl().l1() == 0.5F);
  CHECK(variable.optimizer().ftrl().l2() == 0.25F);
  const auto& adam = job.model.dense_variables(0).optimizer().adam();
  CHECK(adam.learning_rate() == 0.002F);
  CHECK(adam.beta1() == 0.8F);
  CHECK(adam.beta2() == 0.9F);
  CHECK(adam.epsilon() == 1e-7F);
  CHECK(job.training.batch_size == 64);
  CHECK(job.training.max_batch_wait_ms == 5);
  CHECK(job.training.consistency == Consistency::kBsp);
  CHECK(job.training.batches_ahead == 0);
  CHECK(job.training.pushes_in_flight == 1);
  CHECK(job.training.announce);
  CHECK(job.training.rpc_timeout_ms == 500);
}

TEST_CASE("all that is missing is told at once", "[job]") {
  CHECK(Errors("") ==
        "1: 'path' is missing in 'stream'\n"
        "1: 'columns' is missing in 'format'\n"
        "1: 'column' is missing in 'format.label'\n"
        "1: 'slots' must list from 1 to 65535 slots\n"
        "1: 'kind' is missing in 'model'");
}

TEST_CASE("mistakes are told with their lines and what would be right", "[job]") {
  CHECK(Errors(R"(stream: {path: d, sufix: .csv, max_record_bytes: 1GiB}
format:
  columns: [click, user, item]
  label: {column: clik}
  event_time: {column: user, unit: us}
slots:
  - {name: user, colunm: user}
  - {name: user, column: usr}
  - {name: age, column: item, buckets: [2, 1], log_bucket: true}
  - {name: other}
model:
  kind: ffm
  optimiser: {}
training: {batch_size: 0, consistency: ssp, rpc_timeout: 0s}
)") == "1: 'max_record_bytes' must be from 1B to 64MiB, got 1073741824B\n"
       "1: unknown key 'sufix' in 'stream'; did you mean 'suffix'?\n"
       "4: 'column' names no column: 'clik'; did you mean 'click'?\n"
       "5: 'unit' cannot be 'us'; did you mean 'ms'?\n"
       "7: unknown key 'colunm' in 'slots[0]'; did you mean 'column'?\n"
       "8: 'column' names no column: 'usr'; did you mean 'user'?\n"
       "8: 'name' must be distinct, but 'user' is there twice\n"
       "9: 'log_bucket' cannot stand beside 'buckets'\n"
       "9: 'buckets' must grow from each entry to the next\n"
       "10: 'name' names no column: 'other'; known: click, user, item\n"
       "12: 'kind' does not work: model kind \"ffm\" is unknown, did you mean \"fm\"? There are "
       "lr, fm and ledger\n"
       "13: unknown key 'optimiser' in 'model'; did you mean 'optimizer'?\n"
       "14: 'batch_size' must be a whole number from 1 to 1048576, got '0'\n"
       "14: 'consistency' cannot be 'ssp'; did you mean 'asp'?\n"
       "14: 'rpc_timeout' must be from 1ms to 1h");
}

TEST_CASE("delimiters may be a tab or of several characters", "[job]") {
  const auto delimiter_of = [](const std::string& written) {
    return Job("stream: {path: d}\nformat: {columns: [y, a], label: {column: y}, delimiter: " +
               written + "}\nslots: [{name: a}]\nmodel: {kind: lr}\n")
        .format.delimiter;
  };
  CHECK(delimiter_of("tab") == "\t");
  CHECK(delimiter_of("\"\\t\"") == "\t");
  CHECK(delimiter_of("'\\t'") == "\t");
  CHECK(delimiter_of("\"::\"") == "::");
  CHECK(delimiter_of("\"|\"") == "|");
}

TEST_CASE("optimizers have their own defaults", "[job]") {
  const auto optimizer_of = [](const std::string& optimizer) {
    return Job(WithOptimizer(optimizer)).model.embedding_variables(0).optimizer();
  };
  CHECK(optimizer_of("kind: sgd").sgd().learning_rate() == 0.01F);
  CHECK(optimizer_of("kind: ftrl").ftrl().learning_rate() == 0.05F);
  CHECK(optimizer_of("kind: ftrl").ftrl().beta() == 1.0F);
  CHECK(optimizer_of("kind: ftrl").ftrl().l1() == 0.0F);
  CHECK(optimizer_of("kind: adam").adam().learning_rate() == 0.001F);
  CHECK(optimizer_of("kind: adam").adam().beta1() == 0.9F);
  CHECK(optimizer_of("kind: adam").adam().beta2() == 0.999F);
  CHECK(optimizer_of("kind: adam").adam().epsilon() == 1e-8F);
  CHECK(optimizer_of("learning_rate: 0.5").adagrad().learning_rate() == 0.5F);
}

TEST_CASE("a setting of another optimizer is an error that names it", "[job]") {
  CHECK(Errors(WithOptimizer("kind: adagrad, beta1: 0.9")) ==
        "4: 'beta1' is a setting of adam; those of adagrad are: learning_rate, "
        "initial_accumulator, epsilon");
  CHECK(Errors(WithOptimizer("kind: sgd, learning_rat: 0.1")) ==
        "4: unknown key 'learning_rat' in 'model.optimizer'; did you mean 'learning_rate'?");
  CHECK(Errors(WithOptimizer("kind: adagard")) ==
        "4: 'kind' cannot be 'adagard'; did you mean 'adagrad'?");
}

TEST_CASE("settings that cannot work are refused", "[job]") {
  CHECK(Errors(WithOptimizer("kind: sgd, learning_rate: 0")) ==
        "4: 'learning_rate' must be above 0");
  CHECK(Errors(WithOptimizer("kind: adam, beta1: 1")) == "4: 'beta1' must be below 1, got 1");
  CHECK(Errors(WithOptimizer("kind: ftrl, l1: -1")) ==
        "4: 'l1' must be a number of at least 0, got '-1'");
  CHECK(Errors(WithOptimizer("kind: adagrad, initial_accumulator: 0, epsilon: 0")) ==
        "4: 'epsilon' must be above 0 when initial_accumulator is 0");
  CHECK(Errors(WithOptimizer("kind: ftrl, beta: 0")) == "4: 'beta' must be above 0 when l2 is 0");
}

TEST_CASE("the bias learns as the features do, unless told otherwise", "[job]") {
  const JobConfig job = Job(WithOptimizer("kind: ftrl, learning_rate: 0.5"));
  CHECK(job.model.dense_variables(0).optimizer().ftrl().learning_rate() == 0.5F);
}

TEST_CASE("a ledger has the ledger's optimizer and no other", "[job]") {
  const JobConfig job = Job(kInput + "model: {kind: ledger}\n");
  CHECK(job.model.embedding_variables(0).optimizer().has_ledger());
  CHECK(job.model.dense_variables_size() == 0);
  CHECK(Errors(kInput + "model: {kind: ledger, optimizer: {kind: sgd}}\n") ==
        "4: 'optimizer' must be of kind ledger, or left out, in a model of kind ledger");
  CHECK(Errors(WithOptimizer("kind: ledger"))
            .starts_with("4: 'kind' does not work: optimizer is "
                         "ledger"));
}

TEST_CASE("libsvm has one slot and no columns", "[job]") {
  const std::string head = "stream: {path: d}\n";
  const JobConfig job = Job(head +
                            "format: {kind: libsvm, label: {positive_at_least: 0.5}}\n"
                            "slots: [{name: f}]\nmodel: {kind: lr}\n");
  CHECK(job.format.kind == SampleFormat::Kind::kLibsvm);
  CHECK(job.format.positive_at_least == 0.5);
  CHECK(Errors(head + "format: {kind: libsvm, columns: [a]}\n"
                      "slots: [{name: f, column: a}, {name: g}]\nmodel: {kind: lr}\n") ==
        "2: unknown key 'columns' in 'format'; known: kind, label\n"
        "3: 'slots' must list one slot only: a libsvm line has no columns to tell them apart\n"
        "3: unknown key 'column' in 'slots[0]'; known: name, side");
}

TEST_CASE("the model's hash tells models apart, and stays", "[job]") {
  const std::string hash = ModelHash(Job(kSmall).model);
  CHECK(hash.size() == 16);
  CHECK(ModelHash(Job(kSmall + "training: {batch_size: 8}\n").model) == hash);
  CHECK(ModelHash(Job(kInput + "model: {kind: fm, factors: 9}\n").model) != hash);
  CHECK(ModelHash(Job(kInput + "model: {kind: fm, seed: 2}\n").model) != hash);
  CHECK(ModelHash({}) == "2d06800538d394c2");  // of no bytes; persisted in manifests
}
