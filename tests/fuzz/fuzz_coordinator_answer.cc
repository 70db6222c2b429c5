#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "common/cluster/member.h"
#include "common/env/env.h"
#include "common/process/process.h"
#include "freshetctl/command_line.h"
#include "tests/fuzz/request_input.h"

// What a coordinator answers (request_input.h, an answer in place of each request) to a member that
// joins, and to freshetctl: for each answer a command is run that asks for it. The last answer of a
// method is given to all who ask. Of a command that forgets keys the body is the file of keys, too.
namespace freshet::fuzz {
namespace {

constexpr rpc::Method kMethods[] = {rpc::Method::kJoin,
                                    rpc::Method::kHeartbeat,
                                    rpc::Method::kStatus,
                                    rpc::Method::kRollback,
                                    rpc::Method::kCutNow,
                                    rpc::Method::kForget,
                                    rpc::Method::kShrink,
                                    rpc::Method::kExplainKey,
                                    rpc::Method::kModel,
                                    rpc::Method::kCollect,
                                    rpc::Method::kEvents};
constexpr char kAddress[] = "coordinator:1";

// Moves on by as long as somebody sleeps.
class QuickClock final : public Clock {
 public:
  std::chrono::nanoseconds Monotonic() const override { return now_; }

  int64_t UnixMillis() const override { return 1'800'000'000'000; }

  void SleepFor(std::chrono::nanoseconds duration) override { now_ += duration; }

 private:
  std::chrono::nanoseconds now_{0};
};

std::vector<std::string> CommandOf(rpc::Method method, unsigned state) {
  const bool other = state % 2 == 1;
  switch (method) {
    case rpc::Method::kStatus:
      return other ? std::vector<std::string>{"watch", "--until", "version=7", "--timeout", "2s"}
                   : std::vector<std::string>{"status"};
    case rpc::Method::kRollback:
      return {"rollback", "1"};
    case rpc::Method::kCutNow:
      return {"cut"};
    case rpc::Method::kForget:
      return {"forget", "factors", "--keys", "-"};
    case rpc::Method::kShrink:
      return {"shrink", "--dry-run"};
    case rpc::Method::kCollect:
      return {"versions", "gc"};
    case rpc::Method::kEvents:
      return other ? std::vector<std::string>{"events", "--json"}
                   : std::vector<std::string>{"events"};
    default:  // kExplainKey; kModel, which it begins with
      return {"explain", "factors", "user=1"};
  }
}

class Coordinator {
 public:
  Coordinator()
      : transport_(rpc::MakeInProcessTransport()),
        env_{clock_, SystemRandom(), LocalFileSystem(), *transport_} {
    auto server = transport_->Listen(kAddress);
    FRESHET_CHECK(server.ok());
    server_ = *std::move(server);
    for (const rpc::Method method : kMethods) {
      server_->Handle(method, [this, method](const rpc::Message&, rpc::Responder respond) {
        respond(AnswerTo(method));
        const std::lock_guard lock(mutex_);
        ++asked_[method];
        changed_.notify_all();
      });
    }
    server_->Start();
  }

  void Run(const Script& script) {
    {
      const std::lock_guard lock(mutex_);
      answers_.clear();
      asked_.clear();
      for (const RequestInput& answer : script.requests) {
        answers_[answer.method] = &answer.message;
      }
    }
    for (const RequestInput& answer : script.requests) {
      if (answer.method == rpc::Method::kJoin || answer.method == rpc::Method::kHeartbeat) {
        Join();
      } else {
        Command(CommandOf(answer.method, script.state), answer.message.body);
      }
    }
  }

 private:
  StatusOr<rpc::Message> AnswerTo(rpc::Method method) {
    const std::lock_guard lock(mutex_);
    const auto answer = answers_.find(method);
    if (answer != answers_.end()) {
      return rpc::Message{.head = answer->second->head,
                          .body = Buffer::CopyOf(answer->second->body.bytes())};
    }
    if (method == rpc::Method::kJoin) {
      return rpc::Message();
    }
    return NotFound("nothing");
  }

  void Await(rpc::Method method) {
    std::unique_lock lock(mutex_);
    FRESHET_CHECK(changed_.wait_for(lock, Call::kPatience, [&] { return asked_[method] > 0; }));
  }

  void Join() {
    MemberOptions options;
    options.identity.set_role(proto::PS);
    options.identity.set_address("ps:1");
    options.locate_coordinator = []() -> StatusOr<std::string> { return kAddress; };
    {
      const std::lock_guard lock(mutex_);
      asked_.clear();
    }
    const Member member(env_, std::move(options), [] { return proto::MemberReport(); });
    Await(rpc::Method::kJoin);
    const auto answer = answers_.find(rpc::Method::kJoin);
    if (answer == answers_.end() || proto::JoinResponse().ParseFromString(answer->second->head)) {
      Await(rpc::Method::kHeartbeat);
    }
  }

  void Command(std::vector<std::string> arguments, const Buffer& input) {
    arguments.insert(arguments.end(), {"--coordinator", kAddress});
    std::istringstream in(std::string(reinterpret_cast<const char*>(input.data()), input.size()));
    std::ostringstream out;
    std::ostringstream err;
    const int code = freshetctl::Run(arguments, {.env = env_, .in = in, .out = out, .err = err});
    FRESHET_CHECK(code == kExitOk || code == kExitFailure || code == kExitUsage);
    FRESHET_CHECK(code == kExitOk || !err.str().empty());
  }

  QuickClock clock_;
  const std::unique_ptr<rpc::Transport> transport_;
  const Env env_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // With the mutex held:
  std::map<rpc::Method, const rpc::Message*> answers_;
  std::map<rpc::Method, int> asked_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace
}  // namespace freshet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static freshet::fuzz::Coordinator coordinator;
  coordinator.Run(freshet::fuzz::ScriptOf({data, size}, freshet::fuzz::kMethods));
  return 0;
}
