#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/env/env.h"
#include "common/model/model.h"
#include "common/version_log/manifest_file.h"
#include "coordinator/cut.h"
#include "coordinator/recovery.h"
#include "coordinator/scores.h"
#include "coordinator/version_numbers.h"
#include "tests/common/cluster/temp_folder.h"
#include "tests/common/version_log/crash_file_system.h"
#include "tests/fuzz/request_input.h"

// What a parameter server and a worker answer to a coordinator (request_input.h, an answer in place
// of each request) when it begins a session, cuts versions, edits rows, and begins another session.
// A method's answers are given in their order; who has no more of them answers as he should. What
// the coordinator commits can be read again.
namespace freshet::coordinator {
namespace {

constexpr rpc::Method kMethods[] = {rpc::Method::kRestore,
                                    rpc::Method::kStartSession,
                                    rpc::Method::kHold,
                                    rpc::Method::kPause,
                                    rpc::Method::kCut,
                                    rpc::Method::kResume,
                                    rpc::Method::kWriteCut,
                                    rpc::Method::kEndCut,
                                    rpc::Method::kDelete,
                                    rpc::Method::kEvict};
constexpr std::chrono::seconds kTimeout = fuzz::Call::kPatience;
constexpr uint64_t kVersions = 2;
constexpr char kPart[] = "part";  // which lies in the folder of each version
constexpr char kPartBytes[] = "0123456789";

// What the first byte of an input says, beside the method of the first answer.
enum State : unsigned { kBsp = 1, kEdits = 2, kMerges = 4 };

Options MakeOptions() {
  Options options;
  options.log_dir = "log";
  ModelSettings settings;
  settings.kind = "fm";
  settings.factors = 2;
  settings.optimizer.mutable_sgd()->set_learning_rate(0.1F);
  settings.dense_optimizer = settings.optimizer;
  std::vector<proto::Slot> slots(1);
  slots[0].set_name("user");
  auto model = DeclareModel(settings, slots);
  FRESHET_CHECK(model.ok());
  options.model = *std::move(model);
  options.slices = {"new users", "held out"};
  options.gate.enabled = true;
  options.gate.held_out = true;
  options.gate.min_samples = 2;
  options.gate.min_auc = 0.1;
  options.gate.max_auc_drop = 0.1;
  options.gate.max_log_loss = 2;
  options.gate.max_log_loss_rise = 0.1;
  options.gate.min_calibration = 0.5;
  options.gate.max_calibration = 2;
  options.gate.max_bad_rows = 0.1;
  options.early_stopping = EarlyStoppingSettings{.samples = 2, .patience = 2};
  return options;
}

// Both members of the cluster.
class Members {
 public:
  explicit Members(const Options& options) : transport_(rpc::MakeInProcessTransport()) {
    proto::StartSessionResponse started;
    *started.mutable_model() = options.model;
    right_[rpc::Method::kStartSession] = started.SerializeAsString();
    for (const char* const name : {"ps", "worker"}) {
      auto server = transport_->Listen(name);
      FRESHET_CHECK(server.ok());
      for (const rpc::Method method : kMethods) {
        (*server)->Handle(method, [this, method](const rpc::Message&, rpc::Responder respond) {
          respond(Next(method));
        });
      }
      (*server)->Start();
      servers_.push_back(*std::move(server));
    }
  }

  rpc::Transport& transport() { return *transport_; }

  Session NewSession(uint64_t epoch) {
    return MakeSession(*transport_,
                       Epoch(epoch),
                       {{.role = proto::PS, .address = servers_[0]->address()}},
                       {{.role = proto::WORKER, .address = servers_[1]->address()}});
  }

  void SetAnswers(std::vector<fuzz::RequestInput> answers) {
    const std::lock_guard lock(mutex_);
    answers_.clear();
    for (fuzz::RequestInput& answer : answers) {
      answers_[answer.method].push_back(std::move(answer.message));
    }
    trained_ = 0;
  }

  // What the parameter server does when it is to write a version.
  void set_write(std::function<void()> write) {
    const std::lock_guard lock(mutex_);
    write_ = std::move(write);
  }

 private:
  rpc::Message Next(rpc::Method method) {
    const std::lock_guard lock(mutex_);
    if (method == rpc::Method::kWriteCut) {
      write_();
    }
    std::deque<rpc::Message>& answers = answers_[method];
    if (!answers.empty()) {
      rpc::Message answer = std::move(answers.front());
      answers.pop_front();
      return answer;
    }
    if (method == rpc::Method::kPause) {
      proto::PauseResponse pause;
      proto::StreamPosition& position = *pause.mutable_state()->add_positions();
      position.set_partition("a.csv");
      position.set_offset(++trained_);
      return rpc::MakeMessage(pause);
    }
    return {.head = right_[method], .body = {}};
  }

  const std::unique_ptr<rpc::Transport> transport_;
  std::mutex mutex_;
  // With the mutex held:
  std::map<rpc::Method, std::deque<rpc::Message>> answers_;
  std::map<rpc::Method, std::string> right_;  // heads; of the others an empty message
  uint64_t trained_ = 0;
  std::function<void()> write_;
  std::vector<std::unique_ptr<rpc::Server>> servers_;
};

// A coordinator's state, and a log in memory.
class Cluster {
 public:
  Cluster() : members_(options_), events_(OpenStore(), SystemClock()) {}

  void Run(fuzz::Script script) {
    options_.bsp = (script.state & kBsp) != 0;
    with_edits_ = (script.state & kEdits) != 0;
    merges_windows_ = (script.state & kMerges) != 0;
    members_.SetAnswers(std::move(script.requests));
    test::CrashFileSystem files;
    FRESHET_CHECK(files.CreateDirectories(options_.log_dir).ok());
    const Env env{SystemClock(), SystemRandom(), files, members_.transport()};
    VersionLog log(files, options_.log_dir);
    const Context context{options_, env, log, *store_, events_};
    proto::Manifest head = Begin(context, 1);
    for (uint64_t version = 1; version <= kVersions; ++version) {
      head = MakeCut(context, VersionId(version), head);
    }
    (void)Begin(context, 2);
  }

 private:
  StateStore& OpenStore() {
    auto store = StateStore::Open(folder_.path());
    FRESHET_CHECK(store.ok());
    store_ = *std::move(store);
    return *store_;
  }

  static void CheckSaid(const Status& status) {
    FRESHET_CHECK(status.ok() || !status.message().empty());
  }

  proto::Manifest Begin(const Context& context, uint64_t epoch) {
    VersionNumbers numbers(*store_, context.log);
    Recovery recovery(context, numbers, [] { return absl::OkStatus(); });
    const auto restored = recovery.Run(members_.NewSession(epoch));
    CheckSaid(restored.status());
    return restored.ok() ? restored->head : proto::Manifest();
  }

  Edits NewEdits() const {
    Edits edits;
    if (with_edits_) {
      const auto answered = [](const StatusOr<rpc::Message>& answer) {
        CheckSaid(answer.status());
      };
      proto::ShrinkRequest shrink;
      edits.Add({.what = shrink, .respond = answered});
      ForgetAsk forget;
      forget.request.set_variable("factors");
      forget.keys = Buffer::CopyOf(std::as_bytes(std::span("12345678", 8)));
      edits.Add({.what = std::move(forget), .respond = answered});
    }
    return edits;
  }

  // Returns the newest version.
  proto::Manifest MakeCut(const Context& context, VersionId version, const proto::Manifest& head) {
    const Session session = members_.NewSession(1);
    const auto go_on = [] { return absl::OkStatus(); };
    Edits edits = NewEdits();
    TakenWindows windows;
    if (merges_windows_) {
      windows[0].set_samples(1);
    }
    const CutPlan plan{
        .version = version, .head = head, .full = head.version() == 0, .timeout = kTimeout};
    members_.set_write([&context, version] {
      const std::string path = context.log.VersionDirectory(version) + "/" + kPart;
      FRESHET_CHECK(WriteFileAtomically(context.env.files, path, kPartBytes).ok());
    });
    CutResult result = Cut(context, session, plan, &windows, &edits, go_on).Run();
    CheckSaid(result.status);
    if (!result.committed) {
      edits.RefuseAll(Unavailable("no version"));
      return head;
    }
    (void)edits.Commit(version);
    KeepScores(context, result.manifest);
    CheckCommitted(context.log, result.manifest);
    return std::move(result.manifest);
  }

  static void CheckCommitted(const VersionLog& log, const proto::Manifest& manifest) {
    const VersionId version(manifest.version());
    const auto found = log.ReadManifest(version);
    FRESHET_CHECK(found.ok() && log.Chain(version).ok());
    FRESHET_CHECK(*SerializeManifest(*found) == *SerializeManifest(manifest));
  }

  const TempFolder folder_;
  Options options_ = MakeOptions();
  bool with_edits_ = false;
  bool merges_windows_ = false;
  Members members_;
  std::unique_ptr<StateStore> store_;
  EventLog events_;
};

}  // namespace
}  // namespace freshet::coordinator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static freshet::coordinator::Cluster cluster;
  cluster.Run(freshet::fuzz::ScriptOf({data, size}, freshet::coordinator::kMethods));
  return 0;
}
