#pragma once
#include <memory>
#include <thread>
#include <vector>

#include "coordinator/context.h"
#include "coordinator/event_log.h"

namespace freshet::coordinator {

// Tells others what happened: runs a command, or POSTs to a URL, for each event that a hook is for
// (docs/events.md). Each hook has a thread of its own, and takes events in order, each until it was
// told or all retries have failed. Where a hook is, is stored: what happened while the coordinator
// was away, or while it died, is told afterwards; so an event may be told twice, never not at all.
class Hooks {
 public:
  // Both outlive this.
  Hooks(const Context& context, EventLog& events);
  // Ends, though not a command under way: it is waited for, or killed after its timeout.
  ~Hooks();

 private:
  void Run(const HookSettings& hook);
  void Tell(const HookSettings& hook, const Event& event);

  const Context& context_;
  EventLog& events_;
  std::vector<std::thread> threads_;
};

// Runs `command` in /bin/sh with `input` as its standard input. Unavailable: it ended with another
// code than 0, or was killed after the timeout.
Status RunCommand(const std::string& command,
                  const std::vector<std::string>& environment,
                  const std::string& input,
                  std::chrono::milliseconds timeout);

}  // namespace freshet::coordinator
