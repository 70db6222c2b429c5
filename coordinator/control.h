#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "coordinator/base_intake.h"
#include "coordinator/base_watcher.h"
#include "coordinator/board.h"
#include "coordinator/compactor.h"
#include "coordinator/context.h"
#include "coordinator/control_queue.h"
#include "coordinator/cut.h"
#include "coordinator/edits.h"
#include "coordinator/housekeeper.h"
#include "coordinator/member_client.h"
#include "coordinator/membership.h"
#include "coordinator/metrics.h"
#include "coordinator/recovery.h"
#include "coordinator/rollback.h"
#include "coordinator/serving_nodes.h"
#include "coordinator/version_numbers.h"

// The control thread: everything that changes the session or the log happens here, one thing at a
// time.
//
//   phase       until                                        then
//   FORMING     every server and worker is up                RECOVERING
//   RECOVERING  all have restored and started                TRAINING; after an error, again with
//                                                            another epoch and after a while;
//                                                            if somebody is missing FORMING
//   TRAINING    all workers have finished, last cut made     FINISHED
//   TRAINING,   a server or worker died, a worker cannot     RECOVERING (a rewind)
//   FINISHED    go on, a cut broke the session, a rollback
namespace freshet::coordinator {

class Control {
 public:
  // Starts the thread. All outlive this. `bases`: null without calibration.
  Control(const Context& context,
          const Membership& membership,
          ControlQueue& queue,
          Housekeeper& housekeeper,
          Compactor& compactor,
          BaseWatcher* bases,
          Board& board,
          CoordinatorMetrics& metrics);
  // Closes the queue, makes a last cut if training, and answers what is still asked.
  ~Control();

 private:
  void Run();
  std::chrono::nanoseconds UntilNextLook() const;
  void Enter(proto::StatusResponse::Phase phase, const std::string& waiting_for);
  void Record(const std::string& kind, const std::string& text, uint64_t version = 0);
  Status GiveUpRecovery() const;
  Status GiveUpCut();

  // FORMING, RECOVERING
  void Form();
  Status BeginSession();
  std::chrono::milliseconds NextBackoff();

  // TRAINING, FINISHED
  void Supervise();
  bool EndBrokenSession();
  bool AllFinished() const;
  void WatchServing();
  bool ChainIsLong() const;
  bool BaseIsDue() const;
  void LookAtChain();
  CutResult MakeCut(bool even_unchanged, std::chrono::milliseconds timeout);
  void NoteVerdict();
  void NoteWatermark(int64_t before);
  void ObeyGate();
  void StopEarly(bool finished);
  Status RollBack(VersionId target, const RollbackChanges& changes);
  void LookForBase();
  void RefuseBase(const Status& why);
  void NoteIntake(bool caught_up_before);
  void NoteCut(const CutResult& result, std::chrono::nanoseconds begin);
  void NoteFailedCut(const CutResult& result);
  void Rewind(const std::string& reason, const std::string& text);

  // Asks (control_asks.cc)
  void AnswerAsks();
  void Answer(const proto::RollbackRequest& request, rpc::Responder respond);
  void Answer(const proto::CutNowRequest& request, rpc::Responder respond);
  void Answer(ForgetAsk ask, rpc::Responder respond);
  void Answer(const proto::ShrinkRequest& request, rpc::Responder respond);
  void Answer(const proto::ExplainKeyRequest& request, rpc::Responder respond);
  StatusOr<proto::ExplainKeyResponse> Explain(const proto::ExplainKeyRequest& request);
  Status NotTraining() const;
  void AnswerRollbacks();
  void RefuseAll();

  const Context& context_;
  const Membership& membership_;
  ControlQueue& queue_;
  Housekeeper& housekeeper_;
  Compactor& compactor_;
  BaseWatcher* const bases_;
  Board& board_;
  CoordinatorMetrics& metrics_;

  // The control thread's.
  VersionNumbers numbers_;
  ServingNodes serving_;
  proto::StatusResponse::Phase phase_ = proto::StatusResponse::FORMING;
  std::string waiting_for_;
  std::optional<Session> session_;  // while TRAINING or FINISHED, and for a moment before
  std::chrono::nanoseconds session_ended_{0};
  std::chrono::nanoseconds retry_at_{0};
  uint32_t tries_in_row_ = 0;  // sessions begun or tried since a cut last went well
  std::optional<std::chrono::nanoseconds> stop_seen_;

  struct Rollback {
    rpc::Responder respond;
    VersionId version;
    VersionId target;
  };

  std::vector<Rollback> rollbacks_;  // committed, not yet training

  // What the next cut builds on.
  proto::Manifest head_;
  ChainSize chain_;
  VersionId compacted_;              // chain_ knows of
  std::optional<FoundBase> intake_;  // to begin the next session with; until a version has it
  uint32_t intake_tries_ = 0;        // such sessions
  bool force_base_ = false;          // until a base is committed: serving is stuck without it
  Edits edits_;                      // that no version has yet
  TakenWindows windows_;
  std::chrono::nanoseconds next_cut_{0};
  bool last_cut_due_ = false;  // all have finished
  uint32_t failed_in_row_ = 0;
  uint64_t served_ = 0;  // the oldest version among serving nodes

  std::thread thread_;
};

}  // namespace freshet::coordinator
