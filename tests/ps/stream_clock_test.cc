// Which pushes move the clock of the stream, for which every owner thread must hear of them.
#include <vector>

#include "tests/ps/models.h"
#include "tests/ps/services.h"

namespace freshet::ps {
namespace {

using test::Services;

PsOptions TwoThreads() {
  PsOptions options;
  options.owner_threads = 2;
  return options;
}

proto::ModelSpec ModelWithRules() {
  proto::ModelSpec model = test::SmallModel();
  auto* const policy = model.mutable_embedding_variables(0)->mutable_policy();
  policy->mutable_rules()->mutable_eviction()->set_steps_to_live(100);
  policy->set_evict_every_steps(50);
  return model;
}

uint64_t PushesDone(Services& services) {
  return services.metrics().push_seconds.Collect().histogram.sample_count;
}

// A push of one key of owner thread 0.
test::Batch OneKey(const Services& services) {
  uint64_t i = 0;
  while (services.ThreadOf(test::KeyOf(i)) != 0) {
    ++i;
  }
  return {.runs = {{.keys = {test::KeyOf(i)}, .gradients = {1.0F, 1.0F, 1.0F}}}};
}

TEST_CASE("without rules a push waits only for the owners of its keys", "[ps]") {
  Services services(test::SmallModel(), TwoThreads());
  std::promise<void> release = services.HoldUp(1);
  CHECK(services.client().Push({.sequence = 1}, OneKey(services)).ok());
  CHECK(services.client().Push({.sequence = 2}, {}).ok());
  release.set_value();
}

TEST_CASE("with rules every push goes to all owners, also one without keys", "[ps]") {
  Services services(ModelWithRules(), TwoThreads());
  const test::Batch batch = GENERATE(true, false) ? OneKey(services) : test::Batch{};
  std::promise<void> release = services.HoldUp(1);
  std::promise<Status> answered;
  services.client().channel().Call(
      rpc::Method::kPush,
      test::PushMessage({.sequence = 1, .stream_step = 5}, batch),
      std::chrono::seconds(60),
      [&answered](const StatusOr<rpc::Message>& answer) { answered.set_value(answer.status()); });
  // A later request, whose answer tells that the push was taken up.
  REQUIRE(services.client().Declare(1, ModelWithRules()).ok());
  services.Flush(0);
  CHECK(PushesDone(services) == 0);
  release.set_value();
  CHECK(answered.get_future().get().ok());
  CHECK(PushesDone(services) == 1);
}

TEST_CASE("a worker that leaves moves no clock", "[ps]") {
  const bool bsp = GENERATE(false, true);
  Services services(ModelWithRules(), TwoThreads(), bsp);
  std::promise<void> release = services.HoldUp(1);
  CHECK(
      services.client().Push({.sequence = 1, .step = 1, .last = true, .stream_step = 5}, {}).ok());
  release.set_value();
}

}  // namespace
}  // namespace freshet::ps
