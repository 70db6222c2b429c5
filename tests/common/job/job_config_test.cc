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

freshet::proto::Optimizer OptimizerOf(const std::string& optimizer) {
  return Job(WithOptimizer(optimizer)).model.embedding_variables(0).optimizer();
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
  message_compress: zstd
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
  CHECK(job.training.message_compress == freshet::proto::ZSTD);
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
training: {batch_size: 0, consistency: sps, rpc_timeout: 0s}
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
       "12: 'kind' does not work: model kind \"ffm\" is unknown; did you mean 'fm'?\n"
       "13: unknown key 'optimiser' in 'model'; did you mean 'optimizer'?\n"
       "14: 'batch_size' must be a whole number from 1 to 1048576, got '0'\n"
       "14: 'consistency' cannot be 'sps'; did you mean 'ssp'?\n"
       "14: 'rpc_timeout' must be from 1ms to 1h");
}

TEST_CASE("settings of deep models reach the model, and no other kind takes them", "[job]") {
  const std::string input =
      "stream: {path: d}\nformat: {columns: [y, a, b], label: {column: y}}\n"
      "slots: [{name: a}, {name: b}]\n";
  const freshet::proto::ModelSpec model =
      Job(input +
          "model: {kind: dcn, factors: 4, hidden: [30, 20], normalization: batch, dropout: 0.25, "
          "cross_layers: 2, cross_rank: 3}\n")
          .model;
  REQUIRE(model.mlp().hidden_size() == 2);
  CHECK(model.mlp().hidden(0) == 30);
  CHECK(model.mlp().hidden(1) == 20);
  CHECK(model.mlp().normalization() == freshet::proto::Mlp::BATCH);
  CHECK(model.mlp().dropout() == 0.25F);
  CHECK(model.cross_layers() == 2);
  CHECK(model.cross_rank() == 3);
  CHECK(Job(input + "model: {kind: deepfm}\n").model.mlp().hidden_size() == 2);
  CHECK(Errors(input + "model: {kind: fm, hidden: [8], cross_rank: 2}\n") ==
        "4: 'hidden' is no setting of a model of kind fm\n"
        "4: 'cross_rank' is no setting of a model of kind fm");
  CHECK(Errors(input + "model: {kind: deepfm, hidden: [8, 2.5], cross_layers: 2}\n") ==
        "4: 'hidden' must list whole numbers from 1 to 16384, got 2.5\n"
        "4: 'cross_layers' is no setting of a model of kind deepfm");
}

TEST_CASE("early stopping needs held-out samples and a stream that ends", "[job]") {
  const std::string stops = "training: {early_stopping: {samples: 500, min_improvement: 0.01}}\n";
  const freshet::JobConfig job = Job(kSmall + stops + "evaluation: {held_out: {path: h.csv}}\n");
  REQUIRE(job.training.early_stopping.has_value());
  CHECK(job.training.early_stopping->samples == 500);
  CHECK(job.training.early_stopping->patience == 3);
  CHECK(job.training.early_stopping->min_improvement == 0.01);
  CHECK_FALSE(Job(kSmall).training.early_stopping.has_value());
  CHECK(Errors(kSmall + stops) ==
        "5: 'early_stopping' goes by held-out samples: set 'evaluation.held_out'");
  CHECK(Errors("stream: {path: d, follow: true}\n" + kSmall.substr(kSmall.find('\n') + 1) +
               "training: {early_stopping: {patience: 0}}\n"
               "evaluation: {held_out: {path: h.csv}}\n") ==
        "5: 'samples' is missing in 'training.early_stopping'\n"
        "5: 'patience' must be a whole number from 1 to 1000, got '0'\n"
        "5: 'early_stopping' a stream that is followed is never stopped");
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
  CHECK(OptimizerOf("kind: sgd").sgd().learning_rate() == 0.01F);
  CHECK(OptimizerOf("kind: ftrl").ftrl().learning_rate() == 0.05F);
  CHECK(OptimizerOf("kind: ftrl").ftrl().beta() == 1.0F);
  CHECK(OptimizerOf("kind: ftrl").ftrl().l1() == 0.0F);
  CHECK(OptimizerOf("kind: adam").adam().learning_rate() == 0.001F);
  CHECK(OptimizerOf("kind: adam").adam().beta1() == 0.9F);
  CHECK(OptimizerOf("kind: adam").adam().beta2() == 0.999F);
  CHECK(OptimizerOf("kind: adam").adam().epsilon() == 1e-8F);
  CHECK(OptimizerOf("learning_rate: 0.5").adagrad().learning_rate() == 0.5F);
}

TEST_CASE("a setting of another optimizer is an error that names it", "[job]") {
  CHECK(Errors(WithOptimizer("kind: adagrad, beta1: 0.9")) ==
        "4: 'beta1' is a setting of adam; those of adagrad are: learning_rate, "
        "initial_accumulator, epsilon, row_wise, accumulator_decay");
  CHECK(Errors(WithOptimizer("kind: ftrl, l21: 1")) ==
        "4: 'l21' is a setting of group_lasso_ftrl; those of ftrl are: learning_rate, beta, l1, "
        "l2");
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
        "4: 'l1' must be a number from 0 to 1000000000, got '-1'");
  CHECK(Errors(WithOptimizer("kind: adagrad, initial_accumulator: 0, epsilon: 0")) ==
        "4: 'epsilon' must be above 0 when initial_accumulator is 0");
  CHECK(Errors(WithOptimizer("kind: ftrl, beta: 0")) == "4: 'beta' must be above 0 when l2 is 0");
  CHECK(Errors(WithOptimizer("kind: group_lasso_ftrl, beta: 0")) ==
        "4: 'beta' must be above 0 when l2 is 0");
  CHECK(Errors(WithOptimizer("accumulator_decay: 0.9, epsilon: 0")) ==
        "4: 'epsilon' must be above 0 when accumulator_decay is below 1");
  CHECK(Errors(WithOptimizer("accumulator_decay: 1.5")) ==
        "4: 'accumulator_decay' must be at most 1, got 1.5");
  CHECK(Errors(WithOptimizer("kind: adamw, learning_rate: 0.5, weight_decay: 3")) ==
        "4: 'weight_decay' must be at most 1 / learning_rate: a step takes learning_rate * "
        "weight_decay of the value away");
  CHECK(Errors(WithOptimizer("kind: sgd, clip_norm: 0")) == "4: 'clip_norm' must be above 0");
  CHECK(Errors(WithOptimizer("kind: sgd, weight_min: 1, weight_max: 0")) ==
        "4: 'weight_min' must be at most weight_max, which is 0");
}

TEST_CASE("each kind of optimizer has its settings", "[job]") {
  const auto momentum = OptimizerOf("kind: momentum, nesterov: true").momentum();
  CHECK(momentum.learning_rate() == 0.01F);
  CHECK(momentum.momentum() == 0.9F);
  CHECK(momentum.nesterov());
  const auto adagrad = OptimizerOf("row_wise: true, accumulator_decay: 0.99").adagrad();
  CHECK(adagrad.row_wise());
  CHECK(adagrad.accumulator_decay() == 0.99F);
  const auto rmsprop = OptimizerOf("kind: rmsprop, momentum: 0.5, centered: true").rmsprop();
  CHECK(rmsprop.learning_rate() == 0.01F);
  CHECK(rmsprop.decay() == 0.99F);
  CHECK(rmsprop.epsilon() == 1e-8F);
  CHECK(rmsprop.momentum() == 0.5F);
  CHECK(rmsprop.centered());
  const auto adamw = OptimizerOf("kind: adamw, beta2: 0.99").adamw();
  CHECK(adamw.learning_rate() == 0.001F);
  CHECK(adamw.beta1() == 0.9F);
  CHECK(adamw.beta2() == 0.99F);
  CHECK(adamw.weight_decay() == 0.01F);
  const auto grouped =
      OptimizerOf("kind: group_lasso_ftrl, l1: 1, l2: 2, l21: 3").group_lasso_ftrl();
  CHECK(grouped.beta() == 1.0F);
  CHECK(grouped.l1() == 1.0F);
  CHECK(grouped.l2() == 2.0F);
  CHECK(grouped.l21() == 3.0F);
}

TEST_CASE("clipping, regularisation and bounds go with every kind", "[job]") {
  const auto optimizer = OptimizerOf(
      "kind: sgd, l1: 0.1, l2: 0.2, weight_min: -1, weight_max: 0, clip_value: 3, clip_norm: 4");
  CHECK(optimizer.l1() == 0.1F);
  CHECK(optimizer.l2() == 0.2F);
  CHECK(optimizer.weight_min() == -1.0F);
  CHECK(optimizer.has_weight_max());
  CHECK(optimizer.weight_max() == 0.0F);
  CHECK(optimizer.clip_value() == 3.0F);
  CHECK(optimizer.clip_norm() == 4.0F);
  CHECK_FALSE(OptimizerOf("kind: sgd").has_weight_min());
  const auto ftrl = OptimizerOf("kind: ftrl, l1: 0.1, clip_value: 1");
  CHECK(ftrl.l1() == 0.0F);
  CHECK(ftrl.ftrl().l1() == 0.1F);
  CHECK(ftrl.clip_value() == 1.0F);
}

TEST_CASE("what does nothing leaves the model as it was", "[job]") {
  const std::string bytes = OptimizerOf("kind: adagrad").SerializeAsString();
  CHECK(OptimizerOf("kind: adagrad, accumulator_decay: 1, row_wise: false, l1: 0, l2: 0, "
                    "schedule: {kind: constant}")
            .SerializeAsString() == bytes);
}

TEST_CASE("a schedule has the settings of its kind", "[job]") {
  using Schedule = freshet::proto::LearningRateSchedule;
  const auto schedule_of = [](const std::string& text) {
    return OptimizerOf("learning_rate: 0.1, schedule: {" + text + "}").schedule();
  };
  CHECK(schedule_of("warmup_steps: 9").warmup_steps() == 9);
  const Schedule step = schedule_of("kind: step, decay_steps: 5");
  CHECK(step.kind() == Schedule::STEP);
  CHECK(step.decay_steps() == 5);
  CHECK(step.decay_rate() == 0.5F);
  CHECK(schedule_of("kind: exponential, decay_steps: 5, decay_rate: 0.9").decay_rate() == 0.9F);
  const Schedule polynomial =
      schedule_of("kind: polynomial, decay_steps: 5, power: 2, end_learning_rate: 0.01");
  CHECK(polynomial.power() == 2.0F);
  CHECK(polynomial.end_learning_rate() == 0.01F);
  CHECK(schedule_of("kind: cosine, decay_steps: 5").kind() == Schedule::COSINE);
  CHECK(schedule_of("kind: inverse_sqrt, warmup_steps: 7").decay_steps() == 7);
  CHECK(schedule_of("kind: inverse_sqrt, warmup_steps: 7, decay_steps: 8").decay_steps() == 8);
}

TEST_CASE("a schedule that cannot work is refused", "[job]") {
  const auto errors_of = [](const std::string& text) {
    return Errors(WithOptimizer("learning_rate: 0.1, schedule: {" + text + "}"));
  };
  CHECK(errors_of("kind: cosine") == "4: 'decay_steps' is missing");
  CHECK(errors_of("kind: inverse_sqrt") == "4: 'decay_steps' is missing, as is warmup_steps");
  CHECK(errors_of("kind: step, decay_steps: 5, decay_rate: 0") ==
        "4: 'decay_rate' must be above 0");
  CHECK(errors_of("kind: cosine, decay_steps: 5, end_learning_rate: 1") ==
        "4: 'end_learning_rate' must be at most learning_rate, which is 0.1");
  CHECK(errors_of("kind: cosine, decay_steps: 5, power: 2") ==
        "4: 'power' is a setting of polynomial; those of cosine are: warmup_steps, decay_steps, "
        "end_learning_rate");
  CHECK(errors_of("kind: cosinus").starts_with("4: 'kind' cannot be 'cosinus'"));
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
        "3: unknown key 'column' in 'slots[0]'; known: admission, eviction, name, "
        "serving_filter, side");
}

TEST_CASE("the model's hash tells models apart, and stays", "[job]") {
  const std::string hash = ModelHash(Job(kSmall).model);
  CHECK(hash.size() == 16);
  CHECK(ModelHash(Job(kSmall + "training: {batch_size: 8}\n").model) == hash);
  CHECK(ModelHash(Job(kInput + "model: {kind: fm, factors: 9}\n").model) != hash);
  CHECK(ModelHash(Job(kInput + "model: {kind: fm, seed: 2}\n").model) != hash);
  CHECK(ModelHash({}) == "2d06800538d394c2");  // of no bytes; persisted in manifests
}

TEST_CASE("a stream of protobuf has messages, and slots that read columns by name", "[job]") {
  const JobConfig job = Job(R"(stream: {path: d}
format: {kind: protobuf, label: {positive_at_least: 4}, event_time: {required: true}}
slots:
  - {name: user}
  - {name: age, column: years, buckets: [18, 30]}
  - {name: tags, combiner: mean, max_length: 3}
  - {name: both, cross: [user, age]}
model: {kind: fm}
)");
  CHECK(job.format.kind == SampleFormat::Kind::kProtobuf);
  CHECK(job.format.positive_at_least == 4.0);
  CHECK(job.format.event_time_column == "event_time_ms");
  CHECK(job.stream.framing == freshet::FileStreamOptions::Framing::kMessages);
  CHECK(job.model.slots(0).column() == "user");
  CHECK(job.model.slots(1).column() == "years");
  CHECK(job.model.slots(2).max_length() == 3);
  const std::string rest = "slots: [{name: user}]\nmodel: {kind: fm}\n";
  const JobConfig small = Job("stream: {path: d}\nformat: {kind: protobuf}\n" + rest);
  CHECK(small.format.event_time_column.empty());
  CHECK(Job(kSmall).stream.framing == freshet::FileStreamOptions::Framing::kLines);
  CHECK(Errors("stream: {path: d, header: true}\nformat: {kind: protobuf}\n" + rest)
            .find("is of lines") != std::string::npos);
  CHECK(Errors("stream: {path: d}\nformat: {kind: protobuf, columns: [a]}\n" + rest)
            .find("columns") != std::string::npos);
}
