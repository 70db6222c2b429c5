#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "common/rpc/rpc.h"
#include "common/status.h"
#include "coordinator/control_queue.h"
#include "coordinator/member_client.h"
#include "proto/control.pb.h"

// What people take out of the model: keys that are to be forgotten, rows that a rule evicts.
//
// An edit is a step of a cut, between the pause of the workers and the flip of the servers: so the
// version of that cut knows nothing of the keys, whatever is pushed at the same time. It is done
// again by each cut until one is committed, also after a rewind, which brings the rows back; done
// twice it changes nothing. Only then the one who asked is answered.
//
//   waiting   --a cut with it is committed------------> answered with the version
//             --a server refuses it-------------------> answered with the reason, and given up
//             --no version can be made for now--------> late
//             --any other failure, a rewind-----------> waiting
//   late      answered, but waiting in all else
namespace freshet::coordinator {

struct Edit {
  std::variant<ForgetAsk, proto::ShrinkRequest> what;
  rpc::Responder respond;              // null: it is late
  uint64_t rows = 0;                   // that went in this epoch
  proto::ShrinkResponse evicted = {};  // likewise
};

// One thread.
class Edits {
 public:
  // More wait only if no version can be committed.
  static constexpr size_t kMost = 64;

  // Refuses when there are too many.
  void Add(Edit edit);

  bool empty() const { return edits_.empty(); }

  // Somebody waits for an answer.
  bool awaited() const;

  // Has all servers carry out all edits, in order. An edit that a server refuses is answered and
  // given up, and no error of this. Errors: nobody knows how far it came, as in coordinator/cut.h.
  Status Apply(const Session& session, std::chrono::milliseconds timeout, const GiveUp& give_up);

  // They are in `version`: answers. Returns a line for each, for the events.
  std::vector<std::string> Commit(VersionId version);

  // A disk is full, or a member stays away: those who asked are answered, and what they asked for
  // is done when it can be.
  void TellLate(const Status& why);

  // The servers have the rows again.
  void Rewind();

  void RefuseAll(const Status& why);

 private:
  std::vector<Edit> edits_;
};

// Has all servers count, or take away, the rows that a rule evicts; the sums by variable.
StatusOr<proto::ShrinkResponse> EvictOnServers(const Session& session,
                                               const proto::ShrinkRequest& request,
                                               std::chrono::milliseconds timeout,
                                               const GiveUp& give_up);

}  // namespace freshet::coordinator
