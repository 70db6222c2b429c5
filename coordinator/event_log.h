#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "common/env/clock.h"
#include "common/status.h"
#include "coordinator/state_store.h"
#include "proto/control.pb.h"

namespace freshet::coordinator {

// What happened, in order (docs/events.md): recorded, asked for, waited for.
// Thread-safety: any thread.
class EventLog {
 public:
  // Both outlive this.
  EventLog(StateStore& store, Clock& clock) : store_(store), clock_(clock) {}

  // `version` 0: it is about none. A failure is logged: events are a help, not state.
  void Record(const std::string& kind, uint64_t version, const std::string& text);

  // Events with an id above `after`, of these kinds (empty: all), oldest first, at most `limit`.
  // With after = 0 the newest ones, else the next ones.
  StatusOr<std::vector<Event>> Query(uint64_t after,
                                     const std::vector<std::string>& kinds,
                                     size_t limit) const;

  // The first events with an id above `after`, also if that is 0.
  StatusOr<std::vector<Event>> After(uint64_t after,
                                     const std::vector<std::string>& kinds,
                                     size_t limit) const;

  // The largest id so far; 0: none.
  uint64_t newest() const;

  // Waits until there is an event with an id above `after`, or Close.
  void Await(uint64_t after) const;
  // Ends all waits, now and later.
  void Close();
  bool closed() const;

 private:
  StateStore& store_;
  Clock& clock_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool closed_ = false;  // guarded by mutex_
};

proto::Event ToProto(const Event& event);

// As hooks and HTTP clients get it: one line of JSON.
std::string ToJson(const Event& event);

}  // namespace freshet::coordinator
