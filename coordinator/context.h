#pragma once
#include "common/env/env.h"
#include "common/version_log/version_log.h"
#include "coordinator/event_log.h"
#include "coordinator/options.h"
#include "coordinator/state_store.h"

namespace freshet::coordinator {

// What the steps of the control thread work with. Borrowed: all outlive them.
struct Context {
  const Options& options;
  const Env& env;
  VersionLog& log;
  StateStore& store;
  EventLog& events;
};

}  // namespace freshet::coordinator
