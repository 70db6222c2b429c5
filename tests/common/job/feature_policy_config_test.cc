#include "common/job/feature_policy_config.h"

#include <catch2/catch.hpp>

#include "common/job/job_config.h"

namespace freshet {
namespace {

StatusOr<JobConfig> Read(const std::string& text) {
  const auto file = ConfigFile::Parse("/j.yaml", text);
  INFO(file.status());
  REQUIRE(file.ok());
  return ReadJobConfig(**file);
}

// With slots [user, item], of which the second has `of_slot`, and `of_model` in the model.
std::string Config(const std::string& of_model,
                   const std::string& of_slot = "",
                   const std::string& kind = "lr",
                   const std::string& event_time = ", event_time: {column: time}") {
  return "stream: {path: d}\n"
         "format: {columns: [click, user, item, time], label: {column: click}" +
         event_time + "}\nslots: [{name: user}, {name: item" + of_slot +
         "}]\nmodel:\n  kind: " + kind + "\n" + of_model;
}

proto::EmbeddingVariable Variable(const std::string& of_model, const std::string& of_slot = "") {
  const auto job = Read(Config(of_model, of_slot));
  INFO(job.status());
  REQUIRE(job.ok());
  return job->model.embedding_variables(0);
}

std::string Errors(const std::string& text) {
  const auto job = Read(text);
  CHECK(absl::IsInvalidArgument(job.status()));
  std::string message = MessageOf(job.status());
  const std::string path = "/j.yaml:";
  for (size_t at = message.find(path); at != std::string::npos; at = message.find(path)) {
    message.erase(at, path.size());
  }
  return message;
}

TEST_CASE("without settings the model has no policy, so that its hash stays", "[job]") {
  const proto::EmbeddingVariable variable = Variable("");
  CHECK_FALSE(variable.has_policy());
  CHECK(variable.value_type() == proto::F32);
}

TEST_CASE("every setting of a feature's life is read", "[job]") {
  const proto::EmbeddingVariable variable = Variable(R"(
  value_type: bf16
  admission:
    filter_freq: 3
    bloom: {max_element_size: 5000, false_positive_probability: 0.02}
    admit_probability: 0.5
    default_value_no_permission: -1.5
  eviction:
    steps_to_live: 100
    ttl_secs: 200
    l2_weight_threshold: 0.25
    delete_threshold: 0.5
    delete_after_unseen_days: 30
    max_bytes: 1GiB
    evict_strategy: lfu
    evict_every_steps: 50
  score: {nonclk_coeff: 0.2, click_coeff: 2, show_click_decay_rate: 0.9}
  serving_filter: {min_frequency: 5, l2_weight_threshold: 0.5, score_threshold: 1}
)");
  CHECK(variable.value_type() == proto::BF16);
  const proto::FeaturePolicy& policy = variable.policy();
  const proto::Admission& admission = policy.rules().admission();
  CHECK(admission.filter_freq() == 3);
  CHECK(admission.bloom());
  CHECK(admission.max_element_size() == 5000);
  CHECK(admission.false_positive_probability() == 0.02);
  CHECK(admission.admit_probability() == 0.5F);
  CHECK(policy.default_value_no_permission() == -1.5F);
  const proto::Eviction& eviction = policy.rules().eviction();
  CHECK(eviction.steps_to_live() == 100);
  CHECK(eviction.ttl_secs() == 200);
  CHECK(eviction.l2_weight_threshold() == 0.25F);
  CHECK(eviction.delete_threshold() == 0.5F);
  CHECK(eviction.delete_after_unseen_days() == 30);
  CHECK(policy.capacity().max_bytes() == 1U << 30U);
  CHECK(policy.capacity().evict_strategy() == proto::Capacity::LFU);
  CHECK(policy.evict_every_steps() == 50);
  CHECK(policy.score().nonclk_coeff() == 0.2F);
  CHECK(policy.score().click_coeff() == 2);
  CHECK(policy.score().show_click_decay_rate() == 0.9F);
  CHECK(policy.rules().serving().min_frequency() == 5);
  CHECK(policy.rules().serving().l2_weight_threshold() == 0.5F);
  CHECK(policy.rules().serving().score_threshold() == 1);
  CHECK(policy.slots_size() == 0);
}

TEST_CASE("what is left out of a rule has a default that works", "[job]") {
  const proto::FeaturePolicy policy =
      Variable("  admission: {filter_freq: 2, bloom: true}\n  eviction: {delete_threshold: 1}\n")
          .policy();
  CHECK(policy.rules().admission().max_element_size() == 10'000'000);
  CHECK(policy.rules().admission().false_positive_probability() == 0.01);
  CHECK(policy.evict_every_steps() == 1000);
  CHECK(policy.score().nonclk_coeff() == 0.1F);
  CHECK(policy.score().click_coeff() == 1);
  CHECK(policy.score().show_click_decay_rate() == 0.98F);
  CHECK_FALSE(policy.has_capacity());
  CHECK_FALSE(policy.rules().has_serving());
  CHECK(Variable("  admission: {filter_freq: 2, bloom: false}\n")
            .policy()
            .rules()
            .admission()
            .max_element_size() == 0);
}

TEST_CASE("a slot's sections are its own", "[job]") {
  const proto::FeaturePolicy policy =
      Variable("  admission: {filter_freq: 5}\n",
               ", admission: {}, eviction: {ttl_secs: 60}, serving_filter: {min_frequency: 9}")
          .policy();
  REQUIRE(policy.slots_size() == 1);
  CHECK(policy.slots(0).slot() == 1);
  const proto::RowRules& rules = policy.slots(0).rules();
  CHECK(rules.has_admission());
  CHECK(rules.admission().filter_freq() == 0);
  CHECK(rules.eviction().ttl_secs() == 60);
  CHECK(rules.serving().min_frequency() == 9);
  CHECK(policy.evict_every_steps() == 1000);
}

TEST_CASE("settings that cannot work are refused with their line", "[job]") {
  CHECK(Errors(Config("  admission: {filter_freq: 2, bloom: true, score_threshold: 1}\n")) ==
        "6: 'admission' does not work: admission.score_threshold needs shows and clicks of each "
        "key, which bloom does not keep: leave one of the two out");
  CHECK(Errors(Config("  admission: {bloom: true}\n")) ==
        "6: 'admission' does not work: admission.bloom counts for filter_freq, which must be at "
        "least 2");
  CHECK(Errors(Config("  admission: {admit_probability: 0}\n")) ==
        "6: 'admit_probability' must be above 0: at 0 no key would ever have a row");
  CHECK(Errors(Config("  admission: {filter_frq: 2}\n"))
            .starts_with("6: unknown key 'filter_frq' in 'model.admission'; did you mean "
                         "'filter_freq'?"));
  CHECK(Errors(Config("  score: {click_coeff: 2}\n")) ==
        "6: 'score' is used by no rule: neither score_threshold nor delete_threshold is set");
  CHECK(Errors(Config("  eviction: {evict_every_steps: 10}\n")) ==
        "6: 'evict_every_steps' has no rule to carry out: none evicts");
  CHECK(Errors(Config("  eviction: {evict_strategy: lfu}\n")) ==
        "6: 'evict_strategy' belongs to max_bytes, which is not set");
  CHECK(Errors(Config("  value_type: f64\n")).starts_with("6: 'value_type' cannot be 'f64'"));
  CHECK(Errors(Config("", ", admission: {bloom: true}"))
            .starts_with("3: unknown key 'bloom' in 'slots[1].admission'"));
}

TEST_CASE("rules of event time need one", "[job]") {
  const std::string ttl = "  eviction: {ttl_secs: 60}\n";
  CHECK(Errors(Config(ttl, "", "lr", "")) ==
        "6: 'eviction' has a rule by event time (ttl_secs, delete_after_unseen_days, or max_bytes "
        "with evict_strategy lru), for which 'format' needs event_time");
  CHECK(Read(Config("  eviction: {steps_to_live: 60}\n", "", "lr", "")).ok());
  CHECK(Read(Config("  eviction: {max_bytes: 1MiB, evict_strategy: lfu}\n", "", "lr", "")).ok());
}

TEST_CASE("a ledger has no policy", "[job]") {
  CHECK(Errors(Config("  admission: {filter_freq: 2}\n", "", "ledger"))
            .starts_with("5: 'kind' does not work: model ledger: it takes no admission"));
  CHECK(Errors(Config("  value_type: f16\n", "", "ledger"))
            .starts_with("5: 'kind' does not work: model ledger"));
}

}  // namespace
}  // namespace freshet
