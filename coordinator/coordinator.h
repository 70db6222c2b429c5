#pragma once
#include <memory>
#include <string>

#include "common/env/env.h"
#include "common/http/http_server.h"
#include "common/rpc/rpc.h"
#include "common/status.h"
#include "coordinator/base_watcher.h"
#include "coordinator/board.h"
#include "coordinator/context.h"
#include "coordinator/control.h"
#include "coordinator/control_queue.h"
#include "coordinator/event_log.h"
#include "coordinator/event_publisher.h"
#include "coordinator/hooks.h"
#include "coordinator/housekeeper.h"
#include "coordinator/membership.h"
#include "coordinator/metrics.h"
#include "coordinator/options.h"
#include "coordinator/state_store.h"

namespace freshet::coordinator {

// Keeps a cluster's members together, drives cuts, and carries out rollbacks: its rpc server and
// its control thread. Thread-safety: any thread.
class Coordinator {
 public:
  // Listens on `address` and begins to form the cluster. `env` outlives the coordinator.
  // Errors: FailedPrecondition if the log is of another model, or another coordinator has the
  // state.
  static StatusOr<std::unique_ptr<Coordinator>> Start(const Env& env,
                                                      Options options,
                                                      const std::string& address);
  // Makes a last cut, within a bounded time.
  ~Coordinator();

  std::string address() const { return server_->address(); }

  proto::StatusResponse status() const;

  // GET /metrics, /status and /events.
  http::Response Answer(const http::Request& request);

 private:
  Coordinator(const Env& env, Options options, std::unique_ptr<StateStore> store);
  void HandleMembers();
  void HandleEvents();
  void NoteRemoved(const StatusOr<RemovedVersions>& removed);
  http::Response AnswerEvents(const http::Request& request) const;
  void HandleAsks();

  const Env& env_;
  const Options options_;
  const std::unique_ptr<StateStore> store_;
  VersionLog log_;
  EventLog events_;
  const Context context_;
  ControlQueue queue_;
  Board board_;
  CoordinatorMetrics metrics_;
  Membership membership_;
  std::unique_ptr<Hooks> hooks_;
  std::unique_ptr<Housekeeper> housekeeper_;
  std::unique_ptr<Compactor> compactor_;
  std::unique_ptr<EventPublisher> publisher_;  // null: not asked for
  std::unique_ptr<BaseWatcher> bases_;         // null without calibration
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<Control> control_;
};

}  // namespace freshet::coordinator
