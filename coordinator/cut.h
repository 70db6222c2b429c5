#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/status.h"
#include "coordinator/context.h"
#include "coordinator/edits.h"
#include "coordinator/member_client.h"
#include "proto/manifest.pb.h"
#include "proto/ps.pb.h"

// One cut, as docs/architecture.md tells it:
//
//   Hold, Pause (workers) -> edits, Cut (servers) -> Resume (workers) -> WriteCut (servers)
//   -> manifest -> EndCut (servers)
//
// What a failure before the manifest does to the session:
//
//   Aborted      a member is of another epoch, died, or the log cannot tell what it holds  broken
//   Unavailable  a connection broke: the member may have done anything or nothing          broken
//   Cancelled    the coordinator stops                                                     broken
//   any other    refused (a full disk), or slow (DeadlineExceeded): Resume and EndCut(not
//                committed) undo it; if one of them fails, too                             broken
//
// A broken session has to be ended by a rewind. After an undone cut training goes on, and the
// rows are part of the next.
namespace freshet::coordinator {

// Evaluation windows, by worker, that cuts have taken from the workers and that no version holds
// yet, because these cuts failed.
using TakenWindows = std::map<uint32_t, proto::Evaluation>;

struct CutPlan {
  VersionId version;
  const proto::Manifest& head;  // the version before; its number is 0 if there is none
  bool full = false;
  bool published = false;                     // the base with which the job ends
  bool even_unchanged = false;                // also if nothing was trained or edited since `head`
  std::chrono::milliseconds timeout{10'000};  // of each step
};

struct CutResult {
  Status status;
  std::string failed_step;   // hold, pause, edit, cut, resume, write, commit or end
  bool heard_of = false;     // a server has heard of the version's number
  bool committed = false;    // can be true even if `status` is not OK: then ending it failed
  bool unchanged = false;    // nothing to commit
  bool broken = false;       // the session has to be ended
  proto::Manifest manifest;  // once committed
  std::chrono::nanoseconds pause{0};  // from Hold sent to Resume answered
};

class Cut {
 public:
  // All outlive this. *windows: taken by cuts that failed; afterwards, those still in no version.
  // *edits: to be carried out; if the cut is committed, the version has them all.
  Cut(const Context& context,
      const Session& session,
      const CutPlan& plan,
      TakenWindows* windows,
      Edits* edits,
      GiveUp give_up);

  CutResult Run();

 private:
  // Each step notes its name, for failed_step.
  Status Pause();
  Status ApplyEdits();
  Status Flip();
  Status Resume();
  Status Write();
  Status Commit();
  Status End(bool committed);
  void TakeWindows();
  void Undo();

  const Context& context_;
  const Session& session_;
  const CutPlan& plan_;
  TakenWindows* const windows_;
  Edits* const edits_;
  const GiveUp give_up_;

  CutResult result_;
  std::string step_;
  bool flipped_ = false;  // on every server
  std::vector<proto::WorkerState> states_;
  std::vector<proto::PartFile> parts_;
};

// The step up to which all workers go before a bsp cut: the smallest one that was begun, because
// only up to there has each server pushes of everyone. Workers whose streams have ended do not
// count: nobody waits for their pushes.
uint64_t BspCutStep(const std::vector<proto::HoldResponse>& holds);

}  // namespace freshet::coordinator
