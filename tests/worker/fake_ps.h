#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/check.h"
#include "common/feature_life.h"
#include "common/rpc/typed.h"
#include "proto/ps.pb.h"
#include "tests/worker/fixture.h"

namespace freshet::worker::test {

// A parameter server that can misbehave: it has no rows, keeps what is pushed, and asks a hook what
// to do with each request. A pull is answered with key * 10 + column, and 0.5 for dense elements.
class FakePs {
 public:
  enum class Reaction {
    kCarryOut,
    kCarryOutSilently,  // without an answer, as when the connection breaks behind the request
    kIgnore,            // no answer
  };

  struct Seen {
    rpc::Method method{};
    std::string head;
    uint64_t sequence = 0;
    bool last = false;
    std::vector<Key> keys;
    std::vector<float> floats;     // of a push: all gradients
    std::vector<KeyCount> counts;  // of a push that has them
    std::vector<proto::KeyRun> runs;
  };

  // Decides by method and by how many requests of the method came before.
  using Hook = std::function<StatusOr<Reaction>(rpc::Method, size_t)>;

  FakePs(TestEnv& env, const std::string& address, const proto::ModelSpec& model, Hook hook = {})
      : model_(model), hook_(std::move(hook)) {
    auto server = env.transport->Listen(address);
    REQUIRE(server.ok());
    server_ = *std::move(server);
    for (const auto method :
         {rpc::Method::kDeclare, rpc::Method::kPull, rpc::Method::kPush, rpc::Method::kAnnounce}) {
      server_->Handle(method, [this, method](rpc::Message request, rpc::Responder respond) {
        On(method, std::move(request), std::move(respond));
      });
    }
    server_->Start();
  }

  Watched<std::vector<Seen>>& seen() { return seen_; }

  // The pushes among them, once there are so many that are the last of a worker.
  std::vector<Seen> AwaitPushes(size_t last) {
    const auto ended = [last](const std::vector<Seen>& all) {
      return static_cast<size_t>(std::count_if(
                 all.begin(), all.end(), [](const Seen& one) { return one.last; })) >= last;
    };
    std::vector<Seen> pushes = seen_.Await(ended);
    std::erase_if(pushes, [](const Seen& one) { return one.method != rpc::Method::kPush; });
    return pushes;
  }

 private:
  void On(rpc::Method method, rpc::Message request, rpc::Responder respond) {
    size_t before = 0;
    {
      const std::lock_guard lock(mutex_);
      before = counts_[method]++;
    }
    const StatusOr<Reaction> reaction =
        hook_ ? hook_(method, before) : StatusOr<Reaction>(Reaction::kCarryOut);
    if (!reaction.ok()) {
      respond(reaction.status());
      return;
    }
    if (*reaction == Reaction::kIgnore) {
      Keep(std::move(respond));
      return;
    }
    rpc::Message answer;
    const Seen seen = CarryOut(method, request, &answer);
    seen_.Update([&seen](std::vector<Seen>& all) { all.push_back(seen); });
    if (*reaction == Reaction::kCarryOutSilently) {
      Keep(std::move(respond));
    } else {
      respond(std::move(answer));
    }
  }

  void Keep(rpc::Responder respond) {
    const std::lock_guard lock(mutex_);
    unanswered_.push_back(std::move(respond));
  }

  template <typename Request>
  void ReadRuns(const Request& request, const Buffer& body, Seen* seen, size_t* floats) const {
    size_t keys = 0;
    seen->runs.assign(request.runs().begin(), request.runs().end());
    for (const proto::KeyRun& run : request.runs()) {
      keys += run.keys();
      *floats += run.keys() * model_.embedding_variables(static_cast<int>(run.variable())).dim();
    }
    const auto view = body.as<Key>(0, keys);
    seen->keys.assign(view.begin(), view.end());
  }

  Seen CarryOut(rpc::Method method, const rpc::Message& request, rpc::Message* answer) const {
    Seen seen;
    seen.method = method;
    seen.head = request.head;
    size_t floats = 0;
    if (method == rpc::Method::kPull) {
      const auto pull = rpc::ParseHead<proto::PullRequest>(request);
      FRESHET_CHECK(pull.ok());
      ReadRuns(*pull, request.body, &seen, &floats);
      floats += static_cast<size_t>(pull->dense_size());
      answer->body = Rows(seen.keys, pull->dense_size());
    } else if (method == rpc::Method::kPush) {
      const auto push = rpc::ParseHead<proto::PushRequest>(request);
      FRESHET_CHECK(push.ok());
      ReadRuns(*push, request.body, &seen, &floats);
      floats += static_cast<size_t>(push->dense_size());
      const size_t counts_at = seen.keys.size() * sizeof(Key) + floats * sizeof(float);
      const size_t counts = push->counts() ? seen.keys.size() : 0;
      FRESHET_CHECK(request.body.size() == counts_at + counts * sizeof(KeyCount));
      const auto counted = request.body.as<KeyCount>(counts_at, counts);
      seen.counts.assign(counted.begin(), counted.end());
      const auto view = request.body.as<float>(seen.keys.size() * sizeof(Key), floats);
      seen.floats.assign(view.begin(), view.end());
      seen.sequence = push->sequence();
      seen.last = push->last();
    } else if (method == rpc::Method::kAnnounce) {
      const auto announcement = rpc::ParseHead<proto::AnnounceRequest>(request);
      FRESHET_CHECK(announcement.ok());
      ReadRuns(*announcement, request.body, &seen, &floats);
      FRESHET_CHECK(request.body.size() == seen.keys.size() * sizeof(Key));
    }
    return seen;
  }

  Buffer Rows(const std::vector<Key>& keys, int dense) const {
    const size_t dim = model_.embedding_variables(0).dim();
    Buffer body((keys.size() * dim + static_cast<size_t>(dense)) * sizeof(float));
    const auto values = body.as<float>(0, keys.size() * dim + static_cast<size_t>(dense));
    std::fill(values.begin(), values.end(), 0.5F);
    for (size_t i = 0; i < keys.size() * dim; ++i) {
      values[i] = RowValue(keys[i / dim], i % dim);
    }
    return body;
  }

 public:
  static float RowValue(Key key, size_t column) {
    return static_cast<float>(key % 1000 * 10 + column) / 10000.0F;
  }

 private:
  const proto::ModelSpec model_;
  const Hook hook_;
  Watched<std::vector<Seen>> seen_;
  std::mutex mutex_;
  std::map<rpc::Method, size_t> counts_;
  std::vector<rpc::Responder> unanswered_;
  std::unique_ptr<rpc::Server> server_;  // ends first
};

}  // namespace freshet::worker::test
